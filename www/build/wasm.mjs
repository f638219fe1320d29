// The WebAssembly modules and their JavaScript glue: src/wasm → www/pkg, the module that searches for
// browsers and the npm package, and worker/pkg, the service for workers.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { at, run, say, unlessFresh } from './tools.mjs';

/** An isolate has 128 MB for everything: a module of 96 MiB leaves room for JavaScript. */
const SERVICE_BYTES = 96 << 20;

export async function buildWasm() {
  await build('coracle', 'index', 'edge', at('www/pkg'));
  await buildService();
}

export function buildService() {
  // Behind `--`, flags come on top of those of .cargo/config.toml and are this crate's alone. After a
  // panic, which leaves the module in the middle of something, the glue makes a new one.
  return build('coracle_service', 'service', 'service', at('worker/pkg'), {
    rustc: ['-C', `link-arg=--max-memory=${SERVICE_BYTES}`],
    bindgen: ['--experimental-reset-state-function'],
  });
}

/** Builds the module with one feature, in one of Cargo.toml's profiles, into a folder. */
async function build(name, feature, profile, pkg, { rustc = [], bindgen = [] } = {}) {
  say(`wasm module: ${feature}`);
  const features = ['--no-default-features', '--features', feature];
  await run('cargo', ['rustc', '-p', 'coracle-wasm', '--profile', profile, '--target', 'wasm32-unknown-unknown', ...features, '--', ...rustc]);
  // Both come out under the same name.
  const raw = at('target/wasm', `${name}.wasm`);
  mkdirSync(at('target/wasm'), { recursive: true });
  copyFileSync(at('target/wasm32-unknown-unknown', profile, 'coracle_wasm.wasm'), raw);
  await unlessFresh(`wasm glue: ${feature}`, [raw, at('www/build/wasm.mjs')], [`${pkg}/${name}.js`, `${pkg}/${name}_bg.wasm`], async () => {
    const strip = ['--remove-name-section', '--remove-producers-section'];
    const out = ['--target', 'web', '--typescript', '--out-dir', pkg, '--out-name', name];
    await run('wasm-bindgen', [raw, ...out, ...strip, ...bindgen]);
    // -O3 keeps the loops of the vector kernels; -Os would save nothing. What the compiler did not inline
    // stays a function: half a kilobyte. The lowest kilobyte is the end of the stack, where no field of a
    // structure is addressed from.
    await run('wasm-opt', ['-O3', '-ocimfs=10', '--low-memory-unused', `${pkg}/${name}_bg.wasm`, '-o', `${pkg}/optimised.wasm`]);
    renameSync(`${pkg}/optimised.wasm`, `${pkg}/${name}_bg.wasm`);
  });
}
