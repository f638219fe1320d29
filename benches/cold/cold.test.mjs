// The arithmetic of the cold benchmark: round trips, table, and a host that answers as it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { at } from '../../www/build/tools.mjs';
import { picture, table } from './report.mjs';
import { FAST, serve, waves } from './server.mjs';

const answer = (start, end) => ({ path: '/', bytes: 1, start, end });

test('answers_side_by_side_are_one_round_trip_and_those_that_waited_are_more', () => {
  assert.equal(waves([]), 0);
  assert.equal(waves([answer(0, 10), answer(1, 30), answer(2, 5)]), 1 + 0);
  assert.equal(waves([answer(0, 10), answer(0, 12), answer(12, 20), answer(21, 30)]), 3);
  assert.equal(waves([answer(0, 10), answer(5, 40), answer(11, 20), answer(21, 30)]), 3);
});

const row = {
  engine: 'coracle', corpus: 'pages', queries: 3, mean_bytes: 200_000, p95_bytes: 210_000, max_bytes: 220_000,
  waves: 5, mean_waves: 4.5, requests: 60, second_mean_bytes: 50_000, slow4g_ms: 4000, slow4g_preview_ms: 3000, empty: 0, files: 2, index_bytes: 36e6,
};

test('table_and_picture_set_every_engine_against_pagefind', () => {
  const rows = [row, { ...row, engine: 'pagefind', mean_bytes: 800_000, slow4g_ms: 8000 }];
  const lines = table(rows).split('\n').filter((line) => line.startsWith('|'));
  assert.equal(lines.length, 4);
  assert.match(lines[2], /\| 200 \| 0\.25 \|/);
  assert.match(lines[2], /\| 3000 \| 4000 \| 0\.50 \|/);
  assert.equal(picture(rows).data.values.length, 4);
});

test('host_answers_ranges_as_they_are_and_text_in_brotli_and_counts_what_it_sends', async () => {
  const pages = { '/page.html': '<!doctype html><title>Page</title>', '/long.js': `// ${'x'.repeat(5000)}` };
  const server = await serve({ mounts: { '/docs/': at('www/docs') }, pages });
  const session = connect(server.url, { rejectUnauthorized: false });
  const get = (path, headers = {}) =>
    new Promise((done, fail) => {
      const request = session.request({ ':path': path, ...headers });
      const chunks = [];
      let head;
      request.on('response', (got) => (head = got));
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => done({ head, body: Buffer.concat(chunks) }));
      request.on('error', fail);
      request.end();
    });
  try {
    server.begin(FAST);
    const file = readFileSync(at('www/docs/faq.md'));
    const { head, body } = await get('/docs/faq.md', { range: 'bytes=10-29' });
    assert.equal(head[':status'], 206);
    assert.equal(head['content-range'], `bytes 10-29/${file.length}`);
    assert.deepEqual(body, file.subarray(10, 30));
    const script = await get('/long.js', { 'accept-encoding': 'gzip, br' });
    assert.equal(script.head['content-encoding'], 'br');
    assert.ok(script.body.length < 200);
    assert.equal((await get('/docs/none.md')).head[':status'], 404);
    assert.equal((await get('/docs/../../package.json')).head[':status'], 404);
    assert.deepEqual(server.answers().map(({ path }) => path).slice(0, 2), ['/docs/faq.md', '/long.js']);
  } finally {
    session.destroy();
    await server.close();
  }
});
