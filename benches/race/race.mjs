// `npm run race`: Coracle's vector search beside its peers, same data, same machine, same run.
//
// Coracle runs natively and as WebAssembly in Node; peers come from the folder $CORACLE_PEERS. Rows go
// to benches/record/race.json, tables to standard output and into benches/README.md, which describes
// the method.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepare, race as racePeer } from './peers.mjs';
import { replaceSection, tables } from './report.mjs';
import { run } from './run.mjs';

const USAGE = `npm run race -- [options]
  --n ROWS          the first ROWS rows of the set (default: all)
  --web-n ROWS      rows for peers in Node and Chromium, most of which take no more (default: 10000)
  --peers A,B       these peers; "all" for all there are, "none" for none
  --queries COUNT   the first COUNT queries (default: 2000)
  --threads COUNT   threads of builds (default: all cores); searches take one
  --minutes COUNT   give a peer up after COUNT minutes (default: 30 native, 5 in Node and Chromium)
  --quick           10,000 rows, 500 queries, three peers; nothing is recorded
Environment: CORACLE_DATA, a folder with docs-100k/ (default ../shared/data); CORACLE_PEERS, the peers'
programs (default ../shared/peers); CHROMIUM, the browser for peers that run nowhere else.`;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const at = (path) => join(root, path);
const say = (text) => console.error(text);

const { values: flags } = parseArgs({
  options: {
    n: { type: 'string' }, 'web-n': { type: 'string', default: '10000' }, peers: { type: 'string' },
    queries: { type: 'string' }, threads: { type: 'string' }, minutes: { type: 'string' },
    quick: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' },
  },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

/** A count from a flag; ends the program on anything else. */
function count(name, fallback) {
  const value = Number(flags[name] ?? fallback);
  if (Number.isSafeInteger(value) && value > 0) return value;
  say(`--${name} ${flags[name]}: give a whole number above 0`);
  process.exit(2);
}

const data = resolve(root, process.env.CORACLE_DATA ?? '../shared/data', 'docs-100k');
if (!existsSync(join(data, 'base.f16.npy'))) {
  say(`${data} holds no base.f16.npy; point CORACLE_DATA to a folder with docs-100k/ (benches/README.md says how to make one)`);
  process.exit(2);
}
const rowsInFile = Number(/'shape': \((\d+),/.exec(readFileSync(join(data, 'base.f16.npy')).subarray(0, 256).toString('latin1'))[1]);
const n = Math.min(rowsInFile, count('n', flags.quick ? 10_000 : rowsInFile));
const webN = Math.min(n, count('web-n'));
const queries = count('queries', flags.quick ? 500 : 2000);
const threads = count('threads', os.availableParallelism());
const wanted = flags.peers === 'none' ? [] : flags.peers?.split(',');

const started = new Date();
const load = os.loadavg()[0];
if (load > 0.5) say(`The machine is busy (load ${load.toFixed(1)}): times will come out too high.`);

say('building coracle-race, native and WebAssembly');
const wasiTarget = 'wasm32-wasip1';
const installed = await run('rustup', ['target', 'list', '--installed'], { cwd: root }).catch(() => [wasiTarget]);
if (!installed.includes(wasiTarget)) await run('rustup', ['target', 'add', wasiTarget], { cwd: root });
const cargo = (args, env) => run('cargo', ['build', '--quiet', '-p', 'coracle-race', ...args], { cwd: root, env });
await cargo(['--release']);
// The profile and the optimiser of the module that ships to browsers.
await cargo(['--profile', 'edge', '--target', wasiTarget], { CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS: '-C target-feature=+simd128' });
const native = at('target/release/coracle-race');
const work = at('target/race');
mkdirSync(work, { recursive: true });
const compiled = at(`target/${wasiTarget}/edge/coracle-race.wasm`);
const wasm = join(work, 'coracle-race.wasm');
await run('wasm-opt', ['-O3', compiled, '-o', wasm]).catch((error) => {
  if (error.code !== 'ENOENT') throw error;
  say('wasm-opt is not installed (npm install brings it): the module is raced as the compiler left it');
  writeFileSync(wasm, readFileSync(compiled));
});

const peersFolder = resolve(root, process.env.CORACLE_PEERS ?? '../shared/peers');
let jobs = [];
if (existsSync(join(peersFolder, 'native.py'))) {
  jobs = await prepare(peersFolder, join(work, 'peers'), { wanted, quick: flags.quick, n, webN, say });
} else {
  say(`peers skipped: ${peersFolder} holds no native.py; point CORACLE_PEERS to the peers' programs (benches/README.md describes them)`);
}

const steps = 3 + (webN < n ? 2 : 0) + jobs.length;
let step = 0;
/** Runs one step of the race, saying which it is and how long it took; a silent one shows a clock. */
async function timed(name, action, { silent = false } = {}) {
  say(`[${++step}/${steps}] ${name}`);
  const start = performance.now();
  const elapsed = () => `      ${((performance.now() - start) / 1e3).toFixed(0)} s`;
  const clock = silent && process.stderr.isTTY && setInterval(() => process.stderr.write(`${elapsed()}\r`), 1000);
  try {
    const result = await action();
    say(elapsed());
    return result;
  } finally {
    clearInterval(clock);
  }
}

const indexOf = (rows) => join(work, `index-${rows}`);
const build = (rows) =>
  timed(`coracle, build of ${rows} rows`, () =>
    run(native, ['build', '--data', data, '--index', indexOf(rows), '--n', String(rows), '--threads', String(threads)]));
const search = (name, rows, command, args) =>
  timed(`coracle, ${name}, ${rows} rows`, async () =>
    (await run(command, [...args, '--queries', String(queries)])).map((line) => JSON.parse(line)));
const searchNative = (rows) => search('native', rows, native, ['search', '--data', data, '--index', indexOf(rows)]);
const searchNode = (rows) =>
  search('Node', rows, process.execPath, [
    '--no-warnings', at('benches/race/wasi.mjs'), wasm, `/data=${data}`, `/index=${indexOf(rows)}`,
    '--', 'search', '--data', '/data', '--index', '/index',
  ]);

await build(n);
const rows = [...(await searchNative(n)), ...(await searchNode(n))];
if (webN < n) {
  await build(webN);
  rows.push(...(await searchNode(webN)));
}
const { dims } = rows[0];
for (const job of jobs) {
  const minutes = count('minutes', job.place === 'native' ? 30 : 5);
  try {
    const name = `${job.engine}, ${job.place}, ${job.n} rows`;
    const racing = () => racePeer(job, join(work, 'peers'), { data, dims, queries, threads, minutes });
    rows.push(...(await timed(name, racing, { silent: true })));
  } catch (error) {
    say(`      left out: ${error.message}`);
  }
}

const report = tables(rows);
console.log(report);
const json = `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`;
if (flags.quick) {
  writeFileSync(join(work, 'race.json'), json);
  say('--quick: not recorded; rows are in target/race/race.json');
} else {
  mkdirSync(at('benches/record'), { recursive: true });
  writeFileSync(at('benches/record/race.json'), json);
  const readme = at('benches/README.md');
  writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'race', `${machine()}\n\n${report}`));
  say('recorded in benches/record/race.json and benches/README.md');
}

/** What the figures were measured on, in one sentence. */
function machine() {
  const ask = (command, ...args) => execFileSync(command, args, { cwd: root, encoding: 'utf8' }).trim();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${started.toISOString().slice(0, 10)}, commit ${ask('git', 'describe', '--always', '--dirty')}, ${os.cpus()[0].model}, `
    + `${os.cpus().length} cores, ${memory} GiB, ${ask('rustc', '--version').split(' ').slice(0, 2).join(' ')}, Node ${process.versions.node}; `
    + `load ${load.toFixed(1)} at the start, ${os.loadavg()[0].toFixed(1)} at the end; ${queries} queries, ${threads} build threads.`;
}
