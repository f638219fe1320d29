import '/work/wt-sign/www/build/tools.mjs';
const { buildScripts, buildTypes } = await import('/work/wt-sign/www/build/scripts.mjs');
const { sizes, print } = await import('/work/wt-sign/www/build/sizes.mjs');
await buildScripts(); print(sizes()); if (process.argv[2]) await buildTypes();
