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
  writeFileSync(`${path}_bg.wasm`, joined(first, next));
  writeFileSync(`${path}_next.wasm`, next);
  writeFileSync(`${path}_rest.wasm`, rest);
  writeFileSync(`${path}.js`, glue);
  writeFileSync(`${path}.d.ts`, types);
}

/**
 * Both parts as one module: the first one, which takes no notice of a section that says where the second one lies,
 * and of the second one in a last section. Who reads the file as it arrives has the first one early.
 */
function joined(first, next) {
  const HEAD = 8;
  const places = section('parts', new Uint8Array(8));
  const end = first.length + places.length;
  const last = section('next', next);
  const file = Buffer.concat([first.subarray(0, HEAD), places, first.subarray(HEAD), last]);
  file.writeUInt32LE(end, HEAD + places.length - 8);
  file.writeUInt32LE(end + last.length - next.length, HEAD + places.length - 4);
  return file;
}

/** A custom section of a module. */
function section(name, content) {
  const length = [];
  for (let left = 1 + name.length + content.length; length.push(left & 127), (left >>= 7); ) length[length.length - 1] |= 128;
  return Buffer.concat([Buffer.from([0, ...length, name.length]), Buffer.from(name), content]);
}
