// The npm package's scripts: www/src → www/dist, and the worker's: worker/src → worker/dist.
import { copyFileSync, mkdirSync } from 'node:fs';
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
    pass.onResolve({ filter: /_bg\.wasm$/ }, ({ path }) => ({ path: `./${basename(path)}`, external: true }));
  },
};

const target = ['chrome116', 'firefox124', 'safari17.4'];

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
    // Those who only search load nothing of these two.
    script('element/ask/index.ts', 'coracle-ask.js', 'browser'),
    script('element/modal/index.ts', 'coracle-modal.js', 'browser'),
    script('worker.ts', 'coracle-worker.js', 'browser'),
    // For those who give a key.
    script('verify.ts', 'coracle-verify.js', 'browser'),
    script('index.ts', 'workerd.js', 'workerd'),
    script('index.ts', 'server.js', 'server', { platform: 'node', target: 'node20' }),
  ]);
  copyFileSync(at('www/pkg/coracle_bg.wasm'), `${out}/coracle_bg.wasm`);
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

export async function buildTypes() {
  say('types');
  await run('tsc', ['-p', 'www']);
  await run('tsc', ['-p', 'worker']);
}
