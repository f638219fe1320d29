// `npm run race`: Coracle's vector search beside its peers, same data, same machine, same run.
//
// Coracle runs natively and as WebAssembly in Node and in Chromium; peers come from the folder
// $CORACLE_PEERS. Rows go to benches/record/; tables (on standard output and in
// benches/README.md, which describes the method) and pictures are made of the record.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findChromium } from './chromium.mjs';
import { ENGINES, build, compile, measureKernels, search } from './coracle.mjs';
import { prepare, race as racePeer } from './peers.mjs';
import { readRecord, sections, writePictures, writeRecord, writeSections } from './record.mjs';
import { run } from './run.mjs';

const USAGE = `npm run race -- [options]
  --n ROWS          the first ROWS rows of the set (default: all)
  --web-n ROWS      rows for peers in Node and Chromium (default: as --n; most of them take 10000)
  --peers A,B       these peers; "all" for all there are, "none" for none
  --queries COUNT   the first COUNT queries (default: 2000)
  --threads COUNT   threads of builds (default: all cores); searches take one
  --minutes COUNT   give a peer up after COUNT minutes (default: 30 native, 15 in Node and Chromium)
  --quick           10,000 rows, 500 queries, two peers; nothing is recorded
  --growth          instead of the race: 10,000, 100,000 and 1,000,000 rows, 500 queries, without peers
  --plot            measure nothing: tables and pictures from the record as it is
Environment: CORACLE_DATA, a folder with docs-100k/ (default ../shared/data); CORACLE_PEERS, the peers'
programs (default ../shared/peers); CHROMIUM, the browser (default: chromium on the path).`;

/** Engines that race under filters and in sets that grow. */
const FILTERED = ['coracle-cells-2', 'coracle-hnsw', 'coracle-scan'];
const GROWING = ['coracle-cells-2', 'coracle-hnsw'];
const GROWTH_QUERIES = 500;
/** A build that takes longer, exact answers included, is left out. */
const GROWTH_MINUTES = 4;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const at = (path) => join(root, path);
const say = (text) => console.error(text);

const flags = parse();
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

/** The command line's flags; ends the program on one that does not exist. */
function parse() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const options = {
    n: text, 'web-n': text, peers: text, queries: text, threads: text, minutes: text,
    quick: flag, growth: flag, plot: flag, help: { type: 'boolean', short: 'h' },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    say(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** A count from a flag; ends the program on anything else. */
function count(name, fallback) {
  const value = Number(flags[name] ?? fallback);
  if (Number.isSafeInteger(value) && value > 0) return value;
  say(`--${name} ${flags[name]}: give a whole number above 0`);
  process.exit(2);
}

const target = resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
const work = join(target, 'race');
mkdirSync(work, { recursive: true });
const records = at('benches/record');
if (flags.plot) {
  await publish(readRecord(records));
  process.exit(0);
}

const data = resolve(root, process.env.CORACLE_DATA ?? '../shared/data', 'docs-100k');
if (!existsSync(join(data, 'base.f16.npy'))) {
  say(`${data} holds no base.f16.npy; point CORACLE_DATA to a folder with docs-100k/ (benches/README.md says how to make one)`);
  process.exit(2);
}
const rowsInFile = Number(/'shape': \((\d+),/.exec(readFileSync(join(data, 'base.f16.npy')).subarray(0, 256).toString('latin1'))[1]);
const threads = count('threads', os.availableParallelism());

const started = new Date();
const load = os.loadavg()[0];
if (load > 0.5) say(`The machine is busy (load ${load.toFixed(1)}): times will come out too high.`);

say('building coracle-race, native and WebAssembly');
const programs = await compile({ root, target, work, say });
const executable = findChromium();
if (!executable) say('Chromium skipped: there is none on the path; set CHROMIUM to its executable');

let [step, steps] = [0, 0];
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

const record = readRecord(records);
if (flags.growth) await grow();
else await race();

/** The race itself: fills the record's `race`, `filtered` and `kernels`. */
async function race() {
  const n = Math.min(rowsInFile, count('n', flags.quick ? 10_000 : rowsInFile));
  const webN = Math.min(n, count('web-n', n));
  const queries = count('queries', flags.quick ? 500 : 2000);
  const wanted = flags.peers === 'none' ? [] : flags.peers?.split(',');
  const jobs = await peers(wanted, n, webN);
  const runtimes = ['native', 'node', ...(executable ? ['chromium'] : [])];
  const tasks = runtimes.flatMap((runtime) => ENGINES.map((engine) => ({ runtime, engine, n })));
  const webTasks = webN < n ? tasks.filter(({ runtime }) => runtime !== 'native').map((task) => ({ ...task, n: webN })) : [];
  steps = 3 + tasks.length + FILTERED.length + (webTasks.length && 1 + webTasks.length) + jobs.length;

  const rows = [];
  const indexOf = (n) => join(work, `index-${n}`);
  const raceWith = async (tasks) => {
    for (const { runtime, engine, n } of tasks) {
      const options = { data, index: indexOf(n), engine, queries, executable };
      rows.push(...(await timed(`${engine}, ${runtime}, ${n} rows`, () => search(programs, runtime, options), { silent: true })));
    }
  };
  const prepareIndex = (n, more) => {
    rmSync(indexOf(n), { recursive: true, force: true });
    return timed(`coracle, build of ${n} rows`, () => build(programs, { data, index: indexOf(n), n, threads, ...more }));
  };
  await prepareIndex(n, { filtered: true });
  await raceWith(tasks);
  const kernels = [];
  for (const runtime of ['native', 'node']) {
    const rows = await timed(`kernels, ${runtime}`, () => measureKernels(programs, runtime), { silent: true });
    kernels.push(...rows.map((row) => ({ runtime, ...row })));
  }
  const filtered = [];
  for (const engine of FILTERED) {
    const options = { stage: 'filtered', data, index: indexOf(n), engine, queries };
    filtered.push(...(await timed(`${engine}, native, ${n} rows, under filters`, () => search(programs, 'native', options), { silent: true })));
  }
  if (webTasks.length) {
    await prepareIndex(webN, {});
    await raceWith(webTasks);
  }
  const { dims } = rows[0];
  for (const job of jobs) {
    const minutes = count('minutes', job.place === 'native' ? 30 : 15);
    try {
      const racing = () => racePeer(job, join(work, 'peers'), { data, dims, queries, threads, minutes });
      rows.push(...(await timed(`${job.engine}, ${job.place}, ${job.n} rows`, racing, { silent: true })));
    } catch (error) {
      say(`      left out: ${error.message}`);
    }
  }
  await keep({ ...record, about: { ...record.about, race: machine(queries) }, race: rows, filtered, kernels });
}

/** The peers to race, set up; none if their programs are not there. */
async function peers(wanted, n, webN) {
  const folder = resolve(root, process.env.CORACLE_PEERS ?? '../shared/peers');
  if (existsSync(join(folder, 'native.py'))) return prepare(folder, join(work, 'peers'), { wanted, quick: flags.quick, n, webN, say });
  say(`peers skipped: ${folder} holds no native.py; point CORACLE_PEERS to the peers' programs (benches/README.md describes them)`);
  return [];
}

/** The same engines over ever more rows: fills the record's `growth`. */
async function grow() {
  const sizes = flags.quick
    ? [{ n: 1000 }, { n: 10_000 }, { n: 10_000, copies: 2 }]
    : [{ n: Math.round(rowsInFile / 10) }, { n: rowsInFile }, { n: rowsInFile, copies: 9 }];
  const queries = count('queries', GROWTH_QUERIES);
  const runtimes = ['native', 'node'];
  const index = join(work, 'index-growth');
  const growth = [];
  const missing = [];
  steps = sizes.length * GROWING.length * (1 + runtimes.length);
  for (const { n, copies } of sizes) {
    const rows = n * (1 + (copies ?? 0));
    for (const engine of GROWING) {
      rmSync(index, { recursive: true, force: true });
      const options = { data, index, n, copies, queries, engines: engine, threads };
      try {
        await timed(`${engine}, build of ${rows} rows`, () => build(programs, options, { minutes: GROWTH_MINUTES }));
      } catch (error) {
        say(`      left out: ${error.message}`);
        missing.push(`${engine} at ${rows.toLocaleString('en')} rows, whose build failed or took more than ${GROWTH_MINUTES} minutes`);
        step += runtimes.length;
        continue;
      }
      for (const runtime of runtimes) {
        const searching = () => search(programs, runtime, { data, index, engine, queries });
        growth.push(...(await timed(`${engine}, ${runtime}, ${rows} rows`, searching, { silent: true })));
      }
    }
  }
  rmSync(index, { recursive: true, force: true });
  const about = [machine(queries), ...missing.map((name) => `Left out: ${name}.`)].join(' ');
  await keep({ ...record, about: { ...record.about, growth: about }, growth });
}

/** Records what was measured, unless it was a quick look. */
async function keep(record) {
  if (flags.quick) {
    writeRecord(work, record);
    await writePictures(work, record);
    console.log(Object.values(sections(record)).join('\n'));
    say(`--quick: not recorded; rows and pictures are in ${work}`);
    return;
  }
  writeRecord(records, record);
  await publish(record);
}

/** Makes the tables and pictures of the record. */
async function publish(record) {
  console.log(Object.values(sections(record)).join('\n'));
  writeSections(at('benches/README.md'), record);
  const pictures = await writePictures(records, record);
  say(`benches/README.md and ${pictures.join(', ') || 'no picture'} made of benches/record/*.json`);
}

/** What the figures were measured on, in one sentence. */
function machine(queries) {
  // An hour of measuring is not thrown away because the sources came without their history.
  const ask = (command, ...args) => {
    try {
      return execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return 'unknown';
    }
  };
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${started.toISOString().slice(0, 10)}, commit ${ask('git', 'describe', '--always', '--dirty')}, ${os.cpus()[0].model}, `
    + `${os.cpus().length} cores, ${memory} GiB, ${ask('rustc', '--version').split(' ').slice(0, 2).join(' ')}, Node ${process.versions.node}; `
    + `load ${load.toFixed(1)} at the start, ${os.loadavg()[0].toFixed(1)} at the end; ${queries} queries, ${threads} build threads.`;
}
