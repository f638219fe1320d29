// The worker's module over ten thousand searches: its memory stays as it was, and what they cost.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createHandler, folderSource, loadModule, moduleBytes } from '../../worker/dist/server.js';
import { guideIndex } from './support/project.mjs';

const guideQueries = ['keyboard', 'wrangler dev', 'colours of the widget', 'security policy', 'install', 'filter by tag', 'signal', 'how do I build an index'];

/** A larger index than the guide's, such as one of 100,000 chunks, for figures worth telling. */
const folder = process.env.CORACLE_ENDURANCE_INDEX ?? guideIndex;
/** A JSON list of queries for it. */
const list = process.env.CORACLE_ENDURANCE_QUERIES;
const queries = list ? JSON.parse(readFileSync(list, 'utf8')) : guideQueries;

/** What the module may hold in the end, of what it held. */
const GROWTH = 1.03;

test('memory_stays_flat_over_ten_thousand_searches', { timeout: 600_000 }, async (t) => {
  const handle = createHandler({ module: await loadModule(), index: folderSource(folder), variables: { RATE_LIMIT: '0' }, log: () => undefined });
  const millis = [];
  const ask = async (at) => {
    const before = process.cpuUsage();
    const response = await handle(new Request(`https://search.test/search?q=${encodeURIComponent(queries[at % queries.length])}`));
    assert.equal(response.status, 200);
    await response.arrayBuffer();
    const { user, system } = process.cpuUsage(before);
    millis.push((user + system) / 1000);
  };
  for (let at = 0; at < 2000; at += 1) await ask(at);
  const bytes = moduleBytes();
  millis.length = 0;
  for (let at = 0; at < 10_000; at += 1) await ask(at);
  millis.sort((a, b) => a - b);
  const [median, p95] = [0.5, 0.95].map((share) => millis[Math.floor(millis.length * share)].toFixed(2));
  const mean = (millis.reduce((sum, each) => sum + each, 0) / millis.length).toFixed(2);
  t.diagnostic(`a search takes ${mean} ms of CPU, ${median} at p50, ${p95} at p95; the module holds ${bytes >> 10} KiB, then ${moduleBytes() >> 10}`);
  // Room that blocks of other sizes left may not fit new ones for a while; a leak of 100 bytes each is more.
  assert.ok(moduleBytes() <= bytes * GROWTH);
});
