// `npm run build`: everything that `npm start` serves, without serving it.
import { prepare } from './tools.mjs';

await prepare();
// After `prepare`, since these import npm packages.
const { buildWasm } = await import('./wasm.mjs');
const { buildManifest, buildScripts, buildTypes, buildWorker } = await import('./scripts.mjs');
const { buildSite } = await import('./site.mjs');
const { buildCli, buildIndex } = await import('./search.mjs');
const { deployedSizes, print, sizes } = await import('./sizes.mjs');

await buildCli();
await buildWasm();
await buildScripts();
await buildWorker();
await buildTypes();
await buildManifest();
await buildSite();
await buildIndex();
print(sizes());
print(deployedSizes());
