// The npm package's scripts: www/src → www/dist, and the worker's: worker/src → worker/dist.
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { at, run, say } from './tools.mjs';

const source = at('www/src');
const out = at('www/dist');

const css = {
  name: 'css as minified text',
  setup(pass) {
    pass.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      // With what it imports: the elements share a base.
      const { outputFiles } = await build({ entryPoints: [path], bundle: true, minify: true, target, write: false });
      return { contents: outputFiles[0].text.trim(), loader: 'text' };
    });
  },
};

const moduleBeside = {
  name: 'wasm beside the script',
  setup(pass) {
    pass.onResolve({ filter: /_(bg|next|rest)\.wasm$/ }, ({ path }) => ({ path: `./${basename(path)}`, external: true }));
  },
};

const target = ['chrome116', 'firefox124', 'safari17.4'];

/** What runs in Node, Deno and Bun. */
const onSystem = { platform: 'node', target: 'node20' };

/** One self-contained script; `host` is what `#host` stands for in it. */
function script(entry, outfile, host, options = {}) {
  return build({
    entryPoints: [`${source}/${entry}`],
    outfile: `${out}/${outfile}`,
    alias: { '#host': `${source}/host/${host}.ts` },
    plugins: [css, moduleBeside],
    bundle: true,
    format: 'esm',
    minify: true,
    legalComments: 'none',
    target,
    logLevel: 'warning',
    ...options,
  });
}

export async function buildScripts() {
  say('scripts');
  mkdirSync(out, { recursive: true });
  await Promise.all([
    script('index.ts', 'browser.js', 'browser'),
    script('element/index.ts', 'coracle-search.js', 'browser'),
    // Those who only search load nothing of these.
    script('element/more.ts', 'coracle-more.js', 'browser'),
    script('element/ask/index.ts', 'coracle-ask.js', 'browser'),
    script('element/modal/index.ts', 'coracle-modal.js', 'browser'),
    script('element/parts/index.ts', 'coracle-parts.js', 'browser'),
    script('worker.ts', 'coracle-worker.js', 'browser'),
    // For pages that results lead to.
    script('highlight.ts', 'coracle-highlight.js', 'browser'),
    // For those who give a key.
    script('verify.ts', 'coracle-verify.js', 'browser'),
    script('index.ts', 'workerd.js', 'workerd'),
    script('index.ts', 'server.js', 'server', onSystem),
    // Building an index from a program, and the command as npm installs it.
    script('build/index.ts', 'build.js', 'server', onSystem),
    // For site generators, which share what is below them.
    plugins('vite', 'astro', 'vitepress', 'docusaurus'),
    script('build/cli.ts', 'cli.js', 'server', { ...onSystem, loader: { '.html': 'text' }, banner: { js: '#!/usr/bin/env node' } }),
  ]);
  await Promise.all(readdirSync(`${source}/element/languages`).filter((name) => name.endsWith('.json')).map(language));
  // Components that the generators compile themselves.
  cpSync(`${source}/plugin/theme`, `${out}/plugin/theme`, { recursive: true });
  for (const name of ['coracle_bg.wasm', 'coracle_next.wasm', 'coracle_rest.wasm']) copyFileSync(at('www/pkg', name), `${out}/${name}`);
}

/** The elements' texts in one language, as a script: a page's policy need not allow more than scripts. */
function language(file) {
  const code = basename(file, '.json');
  const contents = `import phrases from './${file}'; import { translated } from './phrases.ts'; export default translated('${code}', phrases);`;
  return build({
    stdin: { contents, resolveDir: `${source}/element/languages` },
    outfile: `${out}/languages/${code}.js`,
    bundle: true,
    format: 'esm',
    minify: true,
    // Readable, and fewer bytes.
    charset: 'utf8',
    target,
  });
}

async function plugins(...names) {
  // What they share is named by its content.
  rmSync(`${out}/plugin`, { recursive: true, force: true });
  await build({
    ...onSystem,
    entryPoints: names.map((name) => `${source}/plugin/${name}.ts`),
    outdir: `${out}/plugin`,
    // Modules with a state of their own, such as the queue of builds, are there once.
    splitting: true,
    bundle: true,
    format: 'esm',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
}

/**
 * The worker's scripts: one for each host, and the handler that they all use. Wrangler bundles
 * `worker/src/index.ts` for itself.
 */
export async function buildWorker() {
  say('worker');
  const shared = { outdir: at('worker/dist'), plugins: [moduleBeside], bundle: true, format: 'esm', logLevel: 'warning' };
  const entries = (...names) => names.map((name) => at(`worker/src/${name}.ts`));
  await Promise.all([
    build({ ...shared, entryPoints: entries('index'), target: 'es2022' }),
    build({ ...shared, entryPoints: entries('server', 'node', 'deno', 'bun'), platform: 'node', target: 'node20' }),
  ]);
  copyFileSync(at('worker/pkg/coracle_service_bg.wasm'), at('worker/dist/coracle_service_bg.wasm'));
}

/** What each element's file becomes. */
const elements = {
  'search.ts': 'coracle-search.js',
  'ask/ask.ts': 'coracle-ask.js',
  'modal/modal.ts': 'coracle-modal.js',
  'parts/config.ts': 'coracle-parts.js',
  'parts/results.ts': 'coracle-parts.js',
  'parts/facets.ts': 'coracle-parts.js',
};

/** Attributes, events, parts and properties of the elements, out of their source, for editors and catalogues. */
export async function buildManifest() {
  say('manifest of the elements');
  const { cli: analyze } = await import('@custom-elements-manifest/analyzer/cli.js');
  const globs = Object.keys(elements);
  await analyze({ argv: ['analyze', '--quiet', '--globs', ...globs, '--outdir', '../../dist'], cwd: `${source}/element` });
  const manifest = JSON.parse(readFileSync(`${out}/custom-elements.json`, 'utf8'));
  const modules = new Map();
  for (const { path, kind, declarations } of manifest.modules) {
    const file = `dist/${elements[path]}`;
    const classes = declarations.filter(({ customElement }) => customElement);
    for (const element of classes) {
      element.members = element.members.filter(({ privacy }) => (privacy ?? 'public') === 'public');
      // Events whose name is not a text in the source; they are told of in the comment.
      element.events = element.events?.filter(({ name }) => name);
    }
    modules.set(file, { kind, path: file, declarations: [...(modules.get(file)?.declarations ?? []), ...classes] });
  }
  manifest.modules = [...modules.values()];
  writeFileSync(`${out}/custom-elements.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

export async function buildTypes() {
  say('types');
  await run('tsc', ['-p', 'www']);
  await run('tsc', ['-p', 'worker']);
}
