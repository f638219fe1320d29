// The peers: their programs live outside the repository and are set up in a copy under target/.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findChromium } from './chromium.mjs';
import { peerRows } from './report.mjs';
import { run } from './run.mjs';

/** Run unless others are asked for: of every library that takes all rows the variants that come out in front. */
const DEFAULT = [
  'hnswlib', 'faiss-hnsw16-sq8', 'faiss-hnsw32-sq8', 'faiss-hnsw-rabitq', 'faiss-ivf-pq4fs',
  'usearch-f16', 'usearch-i8', 'usearch-b1-centred', 'hnswlib-wasm',
];
const QUICK = ['hnswlib', 'faiss-hnsw16-sq8'];

/**
 * Installs what the peers need and says which of them run where.
 *
 * @returns {Promise<{ engine: string, place: 'native' | 'node' | 'chromium', n: number }[]>}
 */
export async function prepare(source, folder, { wanted, quick, n, webN, say }) {
  const names = wanted ?? (quick ? QUICK : DEFAULT);
  if (names.length === 0) return [];
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(source).filter((name) => /\.(mjs|py|txt)$|^package\.json$/.test(name))) {
    copyFileSync(join(source, file), join(folder, file));
  }
  const { PEERS } = await import(pathToFileURL(join(folder, 'adapters.mjs')));
  const placeOf = (engine) => (!PEERS[engine] ? 'native' : PEERS[engine].browserOnly ? 'chromium' : 'node');
  const all = names.includes('all') ? DEFAULT.concat(Object.keys(PEERS)) : names;
  let jobs = [...new Set(all)].map((engine) => ({ engine, place: placeOf(engine) }));

  if (jobs.some((job) => job.place === 'native')) {
    await unlessDone(folder, 'requirements.txt', 'venv/.installed', async () => {
      say('Python peers: pip install');
      await run('python3', ['-m', 'venv', join(folder, 'venv')]);
      await run(join(folder, 'venv/bin/pip'), ['install', '--quiet', '-r', join(folder, 'requirements.txt')]);
    });
    const [list] = await run(python(folder), ['-c', 'import json, native; print(json.dumps(list(native.PEERS)))'], { cwd: folder });
    const known = JSON.parse(list);
    if (names.includes('all')) jobs = jobs.concat(known.filter((engine) => !all.includes(engine)).map((engine) => ({ engine, place: 'native' })));
    const unknown = jobs.filter((job) => job.place === 'native' && !known.includes(job.engine));
    if (unknown.length) {
      throw new Error(`no peer is called ${unknown.map((job) => job.engine).join(', ')}; there are ${[...known, ...Object.keys(PEERS)].join(', ')}`);
    }
  }
  if (jobs.some((job) => job.place !== 'native')) {
    await unlessDone(folder, 'package.json', 'node_modules/.installed', async () => {
      say('npm peers: npm install');
      await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
    });
  }
  if (!findChromium()) {
    for (const { engine } of jobs.filter((job) => job.place === 'chromium')) say(`skipped: ${engine} needs Chromium; set CHROMIUM to its executable`);
    jobs = jobs.filter((job) => job.place !== 'chromium');
  }
  return jobs.map((job) => ({ ...job, n: job.place === 'native' ? n : webN }));
}

/** Runs `install` unless it has been run for this very list of packages. */
async function unlessDone(folder, list, mark, install) {
  const wanted = createHash('sha256').update(readFileSync(join(folder, list))).digest('hex');
  const path = join(folder, mark);
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) return;
  await install();
  writeFileSync(path, wanted);
}

const python = (folder) => join(folder, 'venv/bin/python');

/** Builds and searches with one peer and returns its rows. */
export async function race({ engine, place, n }, folder, { data, dims, queries, threads, minutes }) {
  const out = join(folder, `${engine}.jsonl`);
  rmSync(out, { force: true });
  const common = ['--data', data, '--n', String(n), '--peer', engine, '--queries', String(queries), '--out', out];
  const [command, args] = {
    native: () => [python(folder), ['native.py', ...common, '--threads', String(threads), '--idx', join(folder, 'idx')]],
    node: () => [process.execPath, ['web.mjs', ...common]],
    chromium: () => [process.execPath, ['browser.mjs', ...common, '--minutes', String(minutes)]],
  }[place]();
  const said = await run(command, args, { cwd: folder, minutes, env: place === 'chromium' ? { CHROMIUM: findChromium() } : {} });
  const rows = existsSync(out) ? readFileSync(out, 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : [];
  // A failure may be told on standard output only.
  const failure = rows.find((row) => row.error)?.error ?? (rows.length ? undefined : (said.at(-1) ?? 'no rows and no message'));
  if (failure) throw new Error(failure);
  return peerRows(rows, dims);
}
