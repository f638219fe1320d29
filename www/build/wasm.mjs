// The WebAssembly modules and their JavaScript glue: src/wasm → www/pkg, the module that searches for
// browsers and the npm package, in three parts, and worker/pkg, the service for workers.
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { at, run, say, unlessFresh } from './tools.mjs';

/** An isolate has 128 MB for everything: a module of 96 MiB leaves room for JavaScript. */
const SERVICE_BYTES = 96 << 20;

export async function buildWasm() {
  await build('coracle', 'index', 'edge', at('www/pkg'), { parts: true });
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

/** Builds the module with one feature, in one of Cargo.toml's profiles, into a folder, perhaps in three parts. */
async function build(name, feature, profile, pkg, { rustc = [], bindgen = [], parts = false } = {}) {
  say(`wasm module: ${feature}`);
  const features = ['--no-default-features', '--features', feature];
  await run('cargo', ['rustc', '-p', 'coracle-wasm', '--profile', profile, '--target', 'wasm32-unknown-unknown', ...features, '--', ...rustc]);
  // Both come out under the same name.
  const raw = at('target/wasm', `${name}.wasm`);
  mkdirSync(at('target/wasm'), { recursive: true });
  copyFileSync(at('target/wasm32-unknown-unknown', profile, 'coracle_wasm.wasm'), raw);
  const inputs = [raw, at('www/build/wasm.mjs'), at('www/build/split.mjs')];
  const outputs = [`${pkg}/${name}.js`, `${pkg}/${name}_bg.wasm`, ...(parts ? ['next', 'rest'].map((part) => `${pkg}/${name}_${part}.wasm`) : [])];
  await unlessFresh(`wasm glue: ${feature}`, inputs, outputs, async () => {
    const out = ['--target', 'web', '--typescript', '--out-dir', pkg, '--out-name', name];
    await run('wasm-bindgen', [raw, ...out, '--remove-producers-section', ...bindgen]);
    // -O3 keeps the loops of the vector kernels; -Os would save nothing. What the compiler did not inline
    // stays a function: half a kilobyte. The lowest kilobyte is the end of the stack, where no field of a
    // structure is addressed from.
    const optimised = `${pkg}/optimised.wasm`;
    await run('wasm-opt', [parts ? '-g' : '--strip-debug', '-O3', '-ocimfs=10', '--low-memory-unused', `${pkg}/${name}_bg.wasm`, '-o', optimised]);
    renameSync(optimised, `${pkg}/${name}_bg.wasm`);
    if (parts) await divide(`${pkg}/${name}`);
  });
}

/** Divides a module whose functions have names still, and its glue with it. */
async function divide(path) {
  const { split } = await import('./split.mjs');
  const text = (file) => readFileSync(file, 'utf8');
  const { first, next, rest, glue, types } = split(readFileSync(`${path}_bg.wasm`), text(`${path}.js`), text(`${path}.d.ts`));
  writeFileSync(`${path}_bg.wasm`, inOneFile(first, next));
  writeFileSync(`${path}_next.wasm`, next);
  writeFileSync(`${path}_rest.wasm`, rest);
  writeFileSync(`${path}.js`, glue);
  writeFileSync(`${path}.d.ts`, types);
}

/**
 * Both parts as one module: the first one, with a section behind its head that says where the parts lie, and a last
 * section that is the second one. Compilers take no notice of either. Who reads the file as it arrives has the first part early.
 */
function inOneFile(first, next) {
  const HEAD = 8;
  const places = section('parts', Buffer.alloc(8));
  const last = section('next', next);
  const end = first.length + places.length;
  places.writeUInt32LE(end, places.length - 8);
  places.writeUInt32LE(end + last.length - next.length, places.length - 4);
  return Buffer.concat([first.subarray(0, HEAD), places, first.subarray(HEAD), last]);
}

/** A custom section of a module. */
function section(name, content) {
  const leb128 = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...leb128(number >> 7)]);
  const named = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), content]);
  return Buffer.concat([Buffer.from([0, ...leb128(named.length)]), named]);
}
