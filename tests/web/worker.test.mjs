// The endpoint in workerd on the real module and a real index.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startWorker } from './support/edge.mjs';
import { filesOf } from './support/hostile.mjs';
import { guideIndex } from './support/project.mjs';

async function withWorker(from, work) {
  const worker = await startWorker(from);
  try {
    await work(worker);
  } finally {
    await worker.stop();
  }
}

test('search_and_health_answer_from_assets', () =>
  withWorker('assets', async ({ get, asked }) => {
    const health = await (await get('/health')).json();
    assert.equal(health.status, 'ok');
    assert.ok(health.index.chunks > 0);
    const response = await get('/search?q=keyboard+shortcuts&limit=3&text');
    assert.equal(response.status, 200);
    const { hits } = await response.json();
    assert.match(hits[0].id, /widget/);
    assert.ok(hits.length <= 3 && hits[0].text.length > 0);
    // Assets come whole; every file is fetched once however many ranges of it are read.
    assert.equal(new Set(asked).size, asked.length, asked.join(' '));
  }));

test('many_requests_at_once_are_all_answered', () =>
  withWorker('r2', async ({ get }) => {
    const words = ['keyboard', 'wrangler', 'colours', 'policy', 'install', 'filter', 'signal', 'worker'];
    const responses = await Promise.all([...words, ...words, ...words].map((word) => get(`/search?q=${word}`)));
    for (const response of responses) assert.equal(response.status, 200);
    const found = await Promise.all(responses.map((response) => response.json()));
    found.forEach(({ query, hits }, at) => {
      assert.equal(query, words[at % words.length]);
      assert.deepEqual(hits, found[at % words.length].hits);
    });
  }));

test('wrong_filter_is_the_clients_error', () =>
  withWorker('r2', async ({ post }) => {
    const response = await post({ q: 'keyboard', filter: { nowhere: true } });
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code], [400, 'filter']);
    assert.match(error.message, /nowhere/);
  }));

test('index_that_appears_later_is_found_without_a_restart', () =>
  withWorker('r2', async ({ get, bucket }) => {
    const store = await bucket();
    const root = await (await store.get('search/root.cora')).arrayBuffer();
    await store.delete('search/root.cora');
    const missing = await get('/health');
    assert.deepEqual([missing.status, (await missing.json()).error.code], [503, 'index-unavailable']);
    await store.put('search/root.cora', root);
    assert.equal((await get('/health')).status, 200);
  }));

test('session_begins_with_a_challenge_and_opens_what_costs_money', async () => {
  const asked = [];
  const verifier = createServer(async (request, response) => {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const body = JSON.parse(text);
    asked.push({ type: request.headers['content-type'], authorization: request.headers.authorization, ...body });
    const success = body.response === 'passed';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ success, 'error-codes': success ? [] : ['invalid-input-response'] }));
  });
  await new Promise((done) => verifier.listen(0, '127.0.0.1', done));
  const settings = {
    ALLOW_ORIGIN: 'https://docs.example.com',
    SESSION_SECRET: 'secret-of-sessions-0123456789abcdef',
    TURNSTILE_SECRET: 'secret-of-the-challenge',
    TURNSTILE_URL: `http://127.0.0.1:${verifier.address().port}/siteverify`,
  };
  const worker = await startWorker('r2', guideIndex, settings);
  const send = (path, body, more = {}) => fetch(worker.url + path, { method: 'POST', headers: { origin: settings.ALLOW_ORIGIN, ...more }, body: JSON.stringify(body) });
  const code = async (response) => [response.status, (await response.json()).error.code];
  const question = { question: 'Which keys does the search field understand?' };
  try {
    assert.deepEqual(await code(await send('/query', question)), [401, 'session-missing']);
    assert.deepEqual(await code(await send('/session', { turnstile: 'failed' })), [401, 'turnstile-failed']);
    const { token } = await (await send('/session', { turnstile: 'passed' })).json();
    const answered = await send('/query', question, { authorization: `Bearer ${token}` });
    assert.equal(answered.status, 200);
    assert.equal((await answered.json()).outcome, 'extractive');
    assert.deepEqual(await code(await send('/query', question, { authorization: `Bearer ${token}x` })), [401, 'session-invalid']);
    assert.equal(asked.length, 2);
    for (const { type, authorization, secret } of asked) assert.deepEqual([type, authorization, secret], ['application/json', undefined, settings.TURNSTILE_SECRET]);
    assert.doesNotMatch(worker.log(), /secret-of/);
  } finally {
    await worker.stop();
    await new Promise((done) => verifier.close(done) && verifier.closeAllConnections());
  }
});

for (const [how, flags] of [
  ['and_says_so', ['enable_request_signal']],
  ['without_a_word', []],
]) {
  test(`client_that_leaves_${how}_keeps_nobody_waiting`, { timeout: 60_000 }, async () => {
    const files = filesOf(guideIndex);
    let reads = 0;
    const slow = createServer(async (request, response) => {
      reads += 1;
      await wait(400);
      const file = files.get(request.url.slice(1));
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined) return response.writeHead(200, { 'content-length': file.length }).end(file);
      const part = file.subarray(Number(from), Number(to) + 1);
      return response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${file.length}`, 'content-length': part.length }).end(part);
    });
    await new Promise((done) => slow.listen(0, '127.0.0.1', done));
    const worker = await startWorker(`http://127.0.0.1:${slow.address().port}/`, guideIndex, {}, { compatibilityFlags: flags });
    try {
      assert.equal((await fetch(`${worker.url}/health`)).status, 200);
      const before = reads;
      const gone = new AbortController();
      const first = fetch(`${worker.url}/search?q=keyboard`, { signal: gone.signal });
      first.catch(() => undefined);
      while (reads === before) await wait(10);
      // It wants what the first one is reading.
      const second = fetch(`${worker.url}/search?q=keyboard`);
      await wait(100);
      gone.abort();
      const began = performance.now();
      const response = await second;
      assert.equal(response.status, 200);
      assert.ok((await response.json()).hits.length > 0);
      assert.ok(performance.now() - began < 9000);
      await assert.rejects(first, { name: 'AbortError' });
    } finally {
      await worker.stop();
      await new Promise((done) => slow.close(done) && slow.closeAllConnections());
    }
  });
}
