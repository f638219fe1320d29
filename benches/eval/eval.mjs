// How good answers are: every judged collection of a folder, searched in every way by Coracle and by its
// peers, judged by `coracle eval`. Rows go to benches/record/eval.json, and from there to
// benches/README.md and a picture.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { at, run, say } from '../../www/build/tools.mjs';
import { PEERS } from './peers.mjs';
import { gains, publish, readRecord, rowsOf, table } from './report.mjs';

const USAGE = `usage: npm run eval [-- flags]
  --data DIR      folder of collections in the layout of BEIR, each with corpus.jsonl or corpus.jsonl.gz,
                  queries.jsonl and qrels.tsv (default: $CORACLE_DATA/ir)
  --sets A,B      these collections of it, recording nothing (default: all)
  --peers A,B     these peers, or none (default: ${Object.keys(PEERS).join(',')})
  --cli FILE      a coracle that is there (default: build one)
  --out FILE      write the rows to this file and leave the record as it is
  --plot          measure nothing: table and picture from the record
Environment: CORACLE_DATA (default ../shared/data).`;

const text = { type: 'string' };
const { values: flags } = parseArgs({
  options: { data: text, sets: text, peers: text, cli: text, out: text, plot: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

if (flags.plot) {
  await publish(readRecord(), { record: true });
  process.exit(0);
}

const start = promisify(execFile);
const work = at('target/eval');
const names = (list) => list.split(',').filter(Boolean);

/** Collections below a folder: their names and files. */
function collections(folder) {
  const found = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const dir = join(folder, entry.name);
    const file = (...options) => options.map((name) => join(dir, name)).find((path) => existsSync(path));
    const corpus = file('corpus.jsonl.gz', 'corpus.jsonl');
    const queries = file('queries.jsonl');
    const qrels = file('qrels.tsv', 'qrels/test.tsv');
    if (corpus && queries && qrels) found.push({ name: entry.name, corpus, queries, qrels });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Runs a program and returns what it prints. */
async function output(command, args) {
  const { stdout } = await start(command, args, { maxBuffer: 1 << 28 });
  return stdout;
}

/** The figures of one collection, by `coracle eval`. */
async function judge(cli, set, peers) {
  const folder = join(work, 'sets', set.name);
  mkdirSync(folder, { recursive: true });
  const index = join(folder, 'index');
  await output(cli, ['build', set.corpus, '--out', index, '--cache', join(work, 'cache'), '--quiet']);
  const runs = [];
  for (const peer of peers) {
    const path = join(folder, `${peer}.run`);
    rmSync(path, { force: true });
    await output(process.execPath, [at('benches/eval/peers.mjs'), peer, JSON.stringify(set), folder, path]).then(
      () => runs.push('--run', `${peer}=${path}`),
      // A peer that cannot take a collection is left out, not the collection.
      ({ message }) => say(`${set.name}: ${peer} is left out: ${message.trim().split('\n').at(-1)}`),
    );
  }
  return JSON.parse(await output(cli, ['eval', index, '--queries', set.queries, '--qrels', set.qrels, '--json', ...runs]));
}

const standard = join(process.env.CORACLE_DATA ?? resolve(at('../shared/data')), 'ir');
const data = resolve(flags.data ?? standard);
const inside = existsSync(data) ? collections(data) : [];
// A folder like CORACLE_DATA itself will do.
const all = inside.length || !existsSync(join(data, 'ir')) ? inside : collections(join(data, 'ir'));
const sets = all.filter(({ name }) => !flags.sets || names(flags.sets).includes(name));
if (sets.length === 0) throw new Error(`no collection in ${data}; set CORACLE_DATA or give --data`);
const peers = flags.peers === 'none' ? [] : names(flags.peers ?? Object.keys(PEERS).join(','));
for (const peer of peers) if (!PEERS[peer]) throw new Error(`no peer ${peer}; there are ${Object.keys(PEERS).join(', ')}`);
if (!flags.cli) await run('cargo', ['build', '--release', '-p', 'coracle-cli']);
const cli = flags.cli ? resolve(flags.cli) : at('target/release/coracle');

const rows = [];
for (const set of sets) {
  say(set.name);
  const own = rowsOf(set.name, await judge(cli, set, peers));
  rows.push(...own);
  console.table(own.map(({ mode, ndcg10, mrr10, recall100, p }) => ({ mode, ndcg10, mrr10, recall100, p })));
}
console.log(`${table(rows)}\n${gains(rows)}`);
await publish(rows, { out: flags.out, record: !flags.out && !flags.sets });
