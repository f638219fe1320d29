// What searches find in the few bytes they read, and what becomes of both as an index grows.
//
// The figures come from the program beside this file. Rows go to benches/record/quality.json and
// growth-cold.json, and from there to benches/README.md and pictures.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { at, root, run } from '../../www/build/tools.mjs';
import { GROWTH, publish, QUALITY } from './report.mjs';

const USAGE = `usage: npm run cold:growth [-- flags]
  --sizes N,…       chunks of growing indexes (default: 10000,100000,1000000; the last takes 10 GB of memory);
                    that of 100000 also gives recall against bytes
  --distractors N   passages beside the judged collections (default: 100000)
  --queries N       queries of docs-100k (default: 500)
  --only PART       judged or growth (default: both)
  --work DIR        folder for indexes and embeddings (default: target/quality)
  --profile NAME    compiler profile (default: release)
  --keep            keep the growing indexes, which else are removed once they are measured
  --plot            measure nothing: tables and pictures from the record
Environment: CORACLE_DATA (default ../shared/data).`;

const text = { type: 'string' };
const flag = { type: 'boolean' };
const { values: flags } = parseArgs({
  options: { sizes: text, distractors: text, queries: text, only: text, work: text, profile: text, keep: flag, plot: flag, help: { ...flag, short: 'h' } },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

const work = resolve(flags.work ?? at('target/quality'));
const data = process.env.CORACLE_DATA ?? resolve(root, '../shared/data');
const profile = flags.profile ?? 'release';
/** Seconds say something on a machine that does nothing else. */
const isQuiet = loadavg()[0] < 1.5;

/** Runs the program and returns its rows. */
function measured(...args) {
  const program = join(process.env.CARGO_TARGET_DIR ?? at('target'), profile === 'dev' ? 'debug' : profile, 'coracle-quality');
  const child = spawn(program, ['--data', data, '--work', work, '--queries', flags.queries ?? '500', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const rows = () => out.trim().split('\n').map((line) => JSON.parse(line));
  return new Promise((done, fail) =>
    child.on('error', fail).on('close', (code) => (code === 0 ? done(rows()) : fail(new Error(`coracle-quality ${args.join(' ')} ended with ${code}`)))),
  );
}

const read = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []);
let quality = read(QUALITY);
let growth = read(GROWTH);

/** Takes new rows in place of those of the same kind, and writes everything down. */
async function keep(what, rows) {
  if (what === 'growth') {
    const chunks = new Set(rows.map((row) => row.chunks));
    const vectors = rows.filter((row) => row.what === 'vectors');
    if (vectors.length) quality = [...vectors, ...quality.filter((row) => row.what !== 'vectors')];
    rows = rows.filter((row) => row.what === 'growth');
    growth = [...growth.filter((row) => !chunks.has(row.chunks)), ...rows].sort((a, b) => a.chunks - b.chunks);
  } else {
    quality = [...quality.filter((row) => row.what !== what), ...rows];
  }
  await publish(quality, growth);
}

if (flags.plot) {
  await publish(quality, growth);
  process.exit(0);
}
mkdirSync(work, { recursive: true });
await run('cargo', ['build', '--profile', profile, '-p', 'coracle-quality']);
const parts = (flags.only ?? 'growth,judged').split(',');
for (const part of parts) {
  if (part === 'growth') {
    for (const size of (flags.sizes ?? '10000,100000,1000000').split(',')) {
      console.error(`growth: ${size} chunks`);
      const rows = await measured('growth', '--chunks', size);
      if (!isQuiet) rows.forEach((row) => (row.build_s = undefined));
      rows.forEach((row) => (row.search_s = undefined));
      await keep('growth', rows);
      if (!flags.keep) rmSync(join(work, `growth-${size}`), { recursive: true, force: true });
    }
  } else {
    console.error(part);
    await keep(part, await measured(part, '--distractors', flags.distractors ?? '100000'));
  }
}
