// The WebAssembly module and its JavaScript glue: src/wasm → www/pkg.
import { renameSync } from 'node:fs';
import { at, run, say, unlessFresh } from './tools.mjs';

const compiled = at('target/wasm32-unknown-unknown/edge/coracle_wasm.wasm');
const pkg = at('www/pkg');

export async function buildWasm() {
  say('wasm module');
  await run('cargo', ['build', '-p', 'coracle-wasm', '--profile', 'edge', '--target', 'wasm32-unknown-unknown']);
  await unlessFresh('wasm glue', [compiled, at('www/build/wasm.mjs')], [`${pkg}/coracle.js`, `${pkg}/coracle_bg.wasm`], async () => {
    const strip = ['--remove-name-section', '--remove-producers-section'];
    const out = ['--target', 'web', '--typescript', '--out-dir', pkg, '--out-name', 'coracle'];
    await run('wasm-bindgen', [compiled, ...out, ...strip]);
    // -O3 keeps the loops of the vector kernels; -Os would save nothing. The lowest kilobyte is the end
    // of the stack, where no field of a structure is addressed from.
    await run('wasm-opt', ['-O3', '--low-memory-unused', `${pkg}/coracle_bg.wasm`, '-o', `${pkg}/optimised.wasm`]);
    renameSync(`${pkg}/optimised.wasm`, `${pkg}/coracle_bg.wasm`);
  });
}
