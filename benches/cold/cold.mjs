// What a first search costs: Coracle and Pagefind side by side, on the same pages, in Chromium.
//
// Every question is asked by a visitor who has nothing yet: a browser profile of its own, an empty
// cache. Counted is everything that the page fetches but its own HTML, as it goes over the wire. Rows go
// to benches/record/cold.json, and from there to benches/README.md and a picture.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { at, filesBelow } from '../../www/build/tools.mjs';
import { launch } from '../../tests/web/support/browser.mjs';
import * as pages from './pages.mjs';
import { publish } from './report.mjs';
import { SLOW_4G, serve, waves } from './server.mjs';

const USAGE = `usage: npm run cold [-- flags]
  --site DIR      pages to search (default: cpp-docs of $CORACLE_DATA, unpacked)
  --corpus NAME   their name in the record (default: cpp-docs)
  --index DIR     an index of them that is there (default: build one; embedding 66,000 chunks takes a while the first time)
  --queries N     the first N questions of each list (default: all)
  --slow N        questions that are asked over a slow line too (default: 20)
  --quick         ten questions, nothing recorded
Environment: CORACLE_DATA (default ../shared/data), CHROMIUM.`;

const text = { type: 'string' };
const { values: flags } = parseArgs({
  options: { site: text, corpus: text, index: text, queries: text, slow: text, quick: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

/** Round trips are told apart by when answers end. So the delay is longer than it takes to ask for all of one: 75 requests, some 70 ms. */
const COUNTED = { latencyMs: 120, bytesPerSecond: Infinity };

/** Where only bytes are counted. */
const UNCOUNTED = { latencyMs: 60, bytesPerSecond: Infinity };

const say = (text) => console.error(text);
const work = at('target/cold');
const data = process.env.CORACLE_DATA ?? resolve(at('../shared/data'));
const corpus = flags.corpus ?? 'cpp-docs';

/** Listed queries first, then questions. */
function questions() {
  const limit = Number(flags.queries ?? (flags.quick ? 10 : Infinity));
  const listed = join(data, 'cpp-docs/queries.json');
  const lists = [
    existsSync(listed) ? JSON.parse(readFileSync(listed, 'utf8')) : [],
    readFileSync(at('benches/cold/questions.txt'), 'utf8').trim().split('\n'),
  ];
  return lists.flatMap((list) => list.slice(0, limit));
}

/** The folder of pages, unpacked once. */
function site() {
  if (flags.site) return resolve(flags.site);
  const folder = join(work, 'site');
  if (!existsSync(folder)) {
    const archive = join(data, 'cpp-docs/site.tar.xz');
    if (!existsSync(archive)) throw new Error(`${archive} is not there; set CORACLE_DATA or give --site`);
    say('unpacking cpp-docs');
    rmSync(`${folder}.unfinished`, { recursive: true, force: true });
    mkdirSync(`${folder}.unfinished`, { recursive: true });
    execFileSync('tar', ['-xJf', archive, '-C', `${folder}.unfinished`]);
    renameSync(`${folder}.unfinished`, folder);
  }
  return folder;
}

/** Runs a build and watches it: wall seconds, CPU seconds and the peak of its memory. */
async function timed(name, command, args) {
  say(`building: ${name}`);
  const start = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  let code;
  const exit = new Promise((done, fail) => child.on('exit', (got) => done((code = got ?? -1))).on('error', fail));
  let peak = 0;
  let cpu = 0;
  while (code === undefined) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      cpu = (Number(fields[11]) + Number(fields[12])) / 100 || cpu;
    } catch {
      // It has just ended, or this is not Linux: no figure.
    }
    await Promise.race([exit, sleep(50)]);
  }
  if (code !== 0) throw new Error(`${command} ended with ${code}:\n${errors}`);
  return { build_s: round((performance.now() - start) / 1000, 1), build_cpu_s: round(cpu, 1), build_peak_bytes: peak };
}

const round = (x, digits = 0) => Number(x.toFixed(digits));

function size(folder) {
  const files = filesBelow(folder);
  return { files: files.length, index_bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
}

async function builds(pages) {
  const cli = at('target/release/coracle');
  const fresh = (name) => {
    const folder = join(work, name);
    rmSync(folder, { recursive: true, force: true });
    return folder;
  };
  const keyword = fresh('keyword');
  const words = await timed('coracle, words only', cli, ['build', pages, '--out', keyword, '--embedder', 'none', '--quiet']);
  let folder = flags.index && resolve(flags.index);
  let whole = {};
  if (!folder) {
    folder = fresh('coracle');
    whole = await timed('coracle', cli, ['build', pages, '--out', folder, '--cache', join(work, 'embeddings'), '--quiet']);
  }
  const peer = fresh('pagefind');
  // Its program as it comes for this machine; the package that chooses among all wants all of them.
  const binary = at(`node_modules/@pagefind/linux-${process.arch}/bin/pagefind_extended`);
  const other = await timed('pagefind', binary, ['--site', pages, '--output-path', peer, '--force-language', 'en', '--quiet']);
  return [
    { engine: 'coracle', folder, ...whole, ...size(folder) },
    { engine: 'coracle-preload', folder, ...whole, ...size(folder) },
    { engine: 'coracle-keyword', folder: keyword, ...words, ...size(keyword) },
    { engine: 'pagefind', folder: peer, ...other, ...size(peer) },
  ];
}

/** Asks one question with an empty profile, and then `next` in the same visit. */
async function ask(browser, server, page, query, line, next) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    const tab = await context.newPage();
    const failures = [];
    tab.on('pageerror', (error) => failures.push(error.message));
    server.begin(line);
    await tab.goto(`${server.url}/${page}?q=${encodeURIComponent(query)}`, { waitUntil: 'commit' });
    const answered = async () => {
      const shown = await tab.waitForFunction(() => globalThis.shown, undefined, { timeout: 60_000 }).catch((error) => {
        throw new Error(`${page}, "${query}": ${failures.join('; ') || error.message}`);
      });
      const result = await shown.jsonValue();
      if (result.error) throw new Error(`${page}, "${query}": ${result.error}`);
      return result;
    };
    const { titles, urls, at: ms } = await answered();
    const preview = await tab.evaluate(() => globalThis.preview);
    const answers = server.answers().filter(({ path }) => !path.endsWith('.html'));
    // The engine's script is what starts; round trips are those after it.
    const script = answers.find(({ path }) => /\/(coracle-search|pagefind)\.js$/.test(path));
    const after = answers.filter(({ start }) => start >= script.end);
    const bytes = server.wire();
    const trips = waves(after);
    const paths = answers.map(({ path, bytes }) => [path, bytes]);
    if (next) {
      server.pace(UNCOUNTED);
      await tab.evaluate((query) => globalThis.ask(query), next);
      await answered();
    }
    return {
      query, titles, urls, ms, preview, bytes,
      second: server.wire() - bytes,
      requests: answers.length,
      waves: trips,
      paths,
    };
  } finally {
    await context.close();
  }
}

async function measure(browser, engine, queries) {
  const mounts = { '/coracle/': at('www/dist'), '/search/': engine.folder, '/pagefind/': engine.folder };
  const page = { pagefind: 'pagefind.html', 'coracle-preload': 'hinted.html' }[engine.engine] ?? 'coracle.html';
  const server = await serve({ mounts, pages: { '/pagefind.html': pages.pagefind, '/coracle.html': pages.coracle, '/hinted.html': pages.hinted } });
  try {
    const asked = [];
    for (const [at, query] of queries.entries()) {
      asked.push(await ask(browser, server, page, query, COUNTED, queries[(at + 1) % queries.length]));
      if (asked.length % 20 === 0) say(`  ${engine.engine}: ${asked.length} of ${queries.length}`);
    }
    const slow = [];
    for (const query of queries.slice(0, Number(flags.slow ?? (flags.quick ? 3 : 20)))) {
      slow.push(await ask(browser, server, page, query, SLOW_4G));
    }
    return { asked, slow };
  } finally {
    await server.close();
  }
}

function row({ folder, ...engine }, { asked, slow }) {
  const bytes = asked.map((answer) => answer.bytes).sort((a, b) => a - b);
  const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const share = (bytes, part) => bytes[Math.ceil(bytes.length * part) - 1];
  const median = (list) => list.sort((a, b) => a - b)[Math.ceil(list.length / 2) - 1];
  return {
    engine: engine.engine, corpus, queries: asked.length,
    mean_bytes: round(mean(bytes)), p95_bytes: share(bytes, 0.95), max_bytes: bytes.at(-1),
    waves: Math.max(...asked.map((answer) => answer.waves)),
    mean_waves: round(mean(asked.map((answer) => answer.waves)), 2),
    requests: round(mean(asked.map((answer) => answer.requests)), 1),
    second_mean_bytes: round(mean(asked.map((answer) => answer.second))),
    slow4g_ms: round(median(slow.map(({ ms }) => ms))),
    slow4g_preview_ms: round(median(slow.map(({ ms, preview }) => preview ?? ms))),
    empty: asked.filter((answer) => answer.titles.length === 0).length,
    files: engine.files, index_bytes: engine.index_bytes,
    build_s: engine.build_s, build_cpu_s: engine.build_cpu_s, build_peak_bytes: engine.build_peak_bytes,
  };
}

/** Mean bytes of an engine's answers by what they are. */
function parts(asked) {
  const sums = {};
  for (const [path, bytes] of asked.flatMap((answer) => answer.paths)) {
    const name = path.replace(/\/[0-9a-f]{16}\.cora$/, '/body').replace(/(fragment|index)\/.*/, '$1');
    sums[name] = (sums[name] ?? 0) + bytes / asked.length;
  }
  return Object.entries(sums).sort((a, b) => b[1] - a[1]);
}

const queries = questions();
const engines = await builds(site());
const browser = await launch();
const rows = [];
try {
  for (const engine of engines) {
    say(`asking ${queries.length} questions: ${engine.engine}`);
    const answers = await measure(browser, engine, queries);
    rows.push(row(engine, answers));
    for (const [name, bytes] of parts(answers.asked)) say(`  ${round(bytes / 1000, 1)} kB ${name}`);
    if (flags.quick) for (const { query, bytes, waves, titles } of answers.asked) say(`  ${bytes} bytes, ${waves} waves: ${query} → ${titles.join(' | ')}`);
  }
} finally {
  await browser.close();
}
console.table(rows.map(({ engine, mean_bytes, p95_bytes, max_bytes, second_mean_bytes, mean_waves, waves, requests, slow4g_ms, slow4g_preview_ms, empty }) => ({ engine, mean_bytes, p95_bytes, max_bytes, second_mean_bytes, mean_waves, waves, requests, slow4g_ms, slow4g_preview_ms, empty })));
if (!flags.quick) await publish(rows);
