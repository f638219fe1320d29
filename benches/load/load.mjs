// Searches a second, and how long each takes, over HTTP on this machine: Coracle's native server and its
// worker in workerd, and peers behind a server, on the same 100,000 passages and the same questions. Rows
// go to benches/record/load.json, and from there to benches/README.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { at, run } from '../../www/build/tools.mjs';
import { cli } from '../../www/build/search.mjs';
import { queries, writeRecords } from './collection.mjs';
import { publish } from './report.mjs';

const USAGE = `usage: npm run load [-- flags]
  --engines A,B   these of coracle, coracle-keyword, workerd, minisearch, orama (default: all)
  --seconds N     so long for each number of connections (default: 10)
  --index DIR     an index of docs-100k that is there (default: build one)
  --quick         two seconds each, nothing recorded
Environment: CORACLE_DATA (default ../shared/data).`;

const text = { type: 'string' };
const { values: flags } = parseArgs({
  options: { engines: text, seconds: text, index: text, quick: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

const data = join(process.env.CORACLE_DATA ?? resolve(at('../shared/data')), 'docs-100k');
if (!existsSync(data)) throw new Error(`${data} is not there; set CORACLE_DATA`);
const work = at('target/load');
mkdirSync(work, { recursive: true });

async function index() {
  if (flags.index) return resolve(flags.index);
  const [input, out] = [join(work, 'docs-100k.jsonl'), join(work, 'index')];
  if (existsSync(out)) return out;
  await writeRecords(data, input);
  await run(cli, ['build', input, '--out', out, '--embedder', 'provided']);
  return out;
}

/** Starts a program and waits for the address that it prints. */
async function start(command, args) {
  // A client's limit would be what is measured.
  const env = { ...process.env, RATE_LIMIT: '0' };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await new Promise((done, fail) => {
    let seen = '';
    const look = (bytes) => {
      seen += bytes;
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(seen)?.[0];
      if (address) done(address);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('exit', (code) => fail(new Error(`${command} ended with ${code}: ${seen}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  return { url, pid: child.pid, stop };
}

const native = async () => start(cli, ['serve', await index(), '--api', '--port', '0']);
const peer = (name) => () => start(process.execPath, [at('benches/load/peers.mjs'), name, data]);
const ENGINES = {
  coracle: native,
  'coracle-keyword': native,
  workerd: async () => (await import('./workerd.mjs')).start(await index()),
  minisearch: peer('minisearch'),
  orama: peer('orama'),
};

/** Resident memory of a process, in bytes. */
const memory = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

const questions = queries(data);

async function fire(url, connections, duration, mode) {
  const requests = questions.map((query) => ({ path: `/search?q=${encodeURIComponent(query)}${mode}` }));
  return autocannon({ url, connections, duration, requests, timeout: 60 });
}

const seconds = Number(flags.seconds ?? (flags.quick ? 2 : 10));
const rows = [];
for (const engine of flags.engines?.split(',') ?? Object.keys(ENGINES)) {
  console.error(`starting: ${engine}`);
  const server = await ENGINES[engine]();
  const mode = engine === 'coracle-keyword' ? '&mode=keyword' : '';
  try {
    await fire(server.url, 4, seconds, mode);
    for (const connections of [1, 16, 64]) {
      // A slow server may still be busy with what nobody waits for any more.
      await fetch(`${server.url}/search?q=a`);
      const before = memory(server.pid);
      const { requests, latency, errors, timeouts, non2xx } = await fire(server.url, connections, seconds, mode);
      const row = {
        engine, connections, per_s: Number((requests.total / seconds).toPrecision(3)), p50_ms: latency.p50, p99_ms: latency.p99,
        errors: errors + timeouts + non2xx, requests: requests.total, memory_mb: Math.round(memory(server.pid) / 1e6), grew_mb: Math.round((memory(server.pid) - before) / 1e6),
      };
      console.error(JSON.stringify(row));
      rows.push(row);
    }
  } finally {
    await server.stop();
  }
}
console.table(rows);
if (!flags.quick && !flags.engines) publish(rows);
