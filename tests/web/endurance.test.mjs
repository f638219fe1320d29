// The worker's module over ten thousand searches: its memory stays as it was, and what they cost.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { at, guideIndex } from './support/project.mjs';

const guideQueries = ['keyboard', 'wrangler dev', 'colours of the widget', 'security policy', 'install', 'filter by tag', 'signal', 'how do I build an index'];

/** A larger index than the guide's, such as one of 100,000 chunks, for figures worth telling. */
const folder = process.env.CORACLE_ENDURANCE_INDEX ?? guideIndex;

/** What the module may hold in the end, of what it held. */
const GROWTH = 1.03;

test('memory_stays_flat_over_ten_thousand_searches', { timeout: 600_000 }, async (t) => {
  const own = mkdtempSync(join(tmpdir(), 'coracle-endurance-'));
  t.after(() => rmSync(own, { recursive: true, force: true }));
  writeFileSync(join(own, 'queries.json'), JSON.stringify(guideQueries));
  // A JSON list of queries for the larger index.
  const list = process.env.CORACLE_ENDURANCE_QUERIES ?? join(own, 'queries.json');
  const { stdout } = await promisify(execFile)(process.execPath, [at('tests/web/support/searches.mjs'), folder, list], { maxBuffer: 16 << 20 });
  const { before, after, millis } = JSON.parse(stdout);
  assert.equal(millis.length, 10_000);
  millis.sort((a, b) => a - b);
  const [median, p95] = [0.5, 0.95].map((share) => millis[Math.floor(millis.length * share)].toFixed(2));
  const mean = (millis.reduce((sum, each) => sum + each, 0) / millis.length).toFixed(2);
  t.diagnostic(`a search takes ${mean} ms of CPU, ${median} at p50, ${p95} at p95; the module holds ${before >> 10} KiB, then ${after >> 10}`);
  // Room that blocks of other sizes left may not fit new ones for a while; a leak of 100 bytes each is more.
  assert.ok(after <= before * GROWTH, `${before} bytes, then ${after}`);
});
