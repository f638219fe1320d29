// Ten thousand searches by the worker's handler in a process of their own: what they cost, and what the
// module holds before and after. A test runner watches every promise, which would be half of the time.
import { readFileSync } from 'node:fs';
import { createHandler, folderSource, loadModule, moduleBytes } from '../../../worker/dist/server.js';

// What the module takes for the largest of some thousand searches, it keeps.
const WARM_UP = 5000;
const SEARCHES = 10_000;

const [folder, list] = process.argv.slice(2);
const queries = JSON.parse(readFileSync(list, 'utf8'));
const handle = createHandler({ module: await loadModule(), index: folderSource(folder), variables: { RATE_LIMIT: '0' }, log: () => undefined });

/** Searches; returns milliseconds of CPU time. */
async function ask(at) {
  const before = process.cpuUsage();
  const response = await handle(new Request(`https://search.test/search?q=${encodeURIComponent(queries[at % queries.length])}`));
  const { hits } = await response.json();
  if (response.status !== 200 || !Array.isArray(hits)) throw new Error(`status ${response.status}`);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

for (let at = 0; at < WARM_UP; at += 1) await ask(at);
const before = moduleBytes();
const millis = [];
for (let at = 0; at < SEARCHES; at += 1) millis.push(await ask(at));
console.log(JSON.stringify({ before, after: moduleBytes(), millis }));
