// Coracle's side of the race: one program, compiled twice, searched by three runtimes.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { searchInChromium } from './chromium.mjs';
import { run } from './run.mjs';

/** What Coracle races with; the names are the program's. */
export const ENGINES = ['coracle-scan', 'coracle-hnsw', 'coracle-cells-1', 'coracle-cells-2', 'coracle-cells-3'];

const WASI_TARGET = 'wasm32-wasip1';

/**
 * Compiles the program natively and as WebAssembly.
 *
 * @param {{ root: string, target: string, work: string, say: (text: string) => void }} places
 * @returns {Promise<{ native: string, wasm: string }>} the two files
 */
export async function compile({ root, target, work, say }) {
  const installed = await run('rustup', ['target', 'list', '--installed'], { cwd: root }).catch(() => [WASI_TARGET]);
  if (!installed.includes(WASI_TARGET)) await run('rustup', ['target', 'add', WASI_TARGET], { cwd: root });
  const cargo = (command, args, env) => run('cargo', [command, '--quiet', '-p', 'coracle-race', ...args], { cwd: root, env });
  await cargo('build', ['--release']);
  // The profile and the optimiser of the module that ships to browsers. All memory comes at the start:
  // Node 20 can crash when a module with open calls grows its memory past 100 MB. What is never written
  // to takes no memory of the machine; a million rows need about half of it.
  const edge = ['--profile', 'edge', '--target', WASI_TARGET, '--', '-C', `link-arg=--initial-memory=${2 ** 31}`];
  await cargo('rustc', edge, { CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS: '-C target-feature=+simd128' });
  const compiled = join(target, WASI_TARGET, 'edge/coracle-race.wasm');
  const wasm = join(work, 'coracle-race.wasm');
  await run('wasm-opt', ['-O3', compiled, '-o', wasm]).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    say('wasm-opt is not installed (npm install brings it): the module is raced as the compiler left it');
    writeFileSync(wasm, readFileSync(compiled));
  });
  return { native: join(target, 'release/coracle-race'), wasm };
}

/** Builds; `options` are the program's flags, `minutes` the time after which it is ended. */
export async function build(programs, options, { minutes } = {}) {
  await run(programs.native, ['build', ...flags(options)], { minutes });
}

/** The program's flags: `{ n: 5, filtered: true }` is `--n 5 --filtered`; what is undefined is left out. */
function flags(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== false);
  return given.flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]));
}

/**
 * Searches what was built, in a fresh process or page, and returns the rows it printed.
 *
 * @param {{ native: string, wasm: string }} programs
 * @param {'native' | 'node' | 'chromium'} runtime
 * @param {{ stage?: 'search' | 'filtered', data: string, index: string, engine: string, queries: number, executable?: string }} options
 * `executable` is Chromium's.
 */
export async function search(programs, runtime, { stage = 'search', data, index, engine, queries, executable }) {
  const args = (data, index) => [stage, ...flags({ data, index, engine, queries, runtime })];
  const guest = args('/data', '/index');
  const start = {
    native: () => run(programs.native, args(data, index)),
    node: () => {
      const wasi = fileURLToPath(new URL('wasi.mjs', import.meta.url));
      return run(process.execPath, ['--no-warnings', wasi, programs.wasm, `/data=${data}`, `/index=${index}`, '--', ...guest]);
    },
    chromium: () => {
      const folders = { '/data': { path: data, names: ['queries.f32.npy'] }, '/index': { path: index, names: readdirSync(index) } };
      return searchInChromium({ executable, wasm: programs.wasm, folders, args: guest });
    },
  }[runtime];
  return (await start()).map((line) => JSON.parse(line));
}
