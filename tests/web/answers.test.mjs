// Answers in every runtime: with a model, without one, with one that fails, and when nobody waits.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { chatServer } from './support/chat.mjs';
import { startWorker } from './support/edge.mjs';
import { filesOf } from './support/hostile.mjs';
import { guideIndex } from './support/project.mjs';
import { events, post } from './support/query.mjs';
import { runtimes, start } from './support/runtimes.mjs';

const question = 'Which keys does the search field understand?';

let chat;
before(async () => {
  chat = await chatServer();
});
after(() => chat.close());

/** Waits until something holds. */
async function until(holds, what) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (holds()) return;
    await wait(50);
  }
  assert.fail(what);
}

for (const runtime of runtimes) {
  test(`${runtime}_answers`, { timeout: 120_000 }, async (t) => {
    const settings = { ...chat.settings, CACHE_SECONDS: '0', ANSWER_HOPS: '0', ANSWER_DEADLINE_MS: '3000' };
    const service = await start(runtime, settings);
    const shown = [];
    const ask = async (body = { question }) => {
      const response = await post(service.url, body);
      const text = await response.text();
      shown.push(text, JSON.stringify([...response.headers]));
      return { status: response.status, ...JSON.parse(text) };
    };
    chat.be('answer');
    try {
      await t.test('with citations', async () => {
        const { status, answer, sources, citations, outcome } = await ask();
        assert.deepEqual([status, outcome], [200, 'answered']);
        assert.match(answer, /\[1\]\.$/);
        assert.match(sources[0].url, /^\/docs\/widget\//);
        assert.ok(citations[0].supported);
        assert.deepEqual(chat.complaints, []);
      });

      await t.test('as it comes', async () => {
        chat.be('slow');
        const response = await post(service.url, { question, stream: true });
        assert.match(response.headers.get('content-type'), /^text\/event-stream/);
        const all = await events(response);
        const names = all.map(({ name }) => name);
        assert.ok(names.indexOf('sources') < names.indexOf('delta') && names.at(-1) === 'done', names.join(' '));
        assert.ok(names.filter((name) => name === 'delta').length > 2);
        assert.equal(all.at(-1).outcome, 'answered');
        chat.be('answer');
      });

      for (const [mood, more] of [['refuse', { status: 401 }], ['refuse', { status: 400 }], ['refuse', { status: 429, retryAfter: '3600' }], ['hang', {}]]) {
        await t.test(`from the documents where the model's server does this: ${mood} ${more.status ?? ''}`, async () => {
          chat.be(mood, more);
          const began = performance.now();
          const { status, outcome, degraded, answer, sources } = await ask();
          assert.deepEqual([status, outcome], [200, 'extractive']);
          assert.deepEqual(degraded.map(({ part }) => part), ['chat']);
          assert.ok(answer.length > 20 && sources.length > 0);
          assert.ok(performance.now() - began < 5000, 'the deadline holds');
          chat.be('answer');
        });
      }

      await t.test('once for all who ask meanwhile', async () => {
        // This answer is long, and has to be whole before the deadline.
        chat.be('slow', { pause: 2 });
        const before = chat.asked.length;
        const body = { question: 'Which attributes does the search field have?' };
        const [first, ...others] = await Promise.all([ask(body), ask(body), ask({ ...body, stream: false })]);
        assert.equal(first.outcome, 'answered');
        for (const other of others) assert.equal(other.answer, first.answer);
        assert.equal(chat.asked.length, before + 1);
        await until(() => /"cache":"shared"/.test(service.log()), 'the log does not say that an answer was shared');
        chat.be('answer');
      });

      await t.test('so far as the model came', async () => {
        chat.be('break');
        const { status, outcome, error } = await ask();
        assert.deepEqual([status, outcome], [200, 'broken']);
        assert.ok(error.code.length > 0);
        chat.be('answer');
      });

      await t.test('after the pause that the server asks for', async () => {
        chat.be('refuse', { status: 429, retryAfter: '1' });
        const before = chat.asked.length;
        const began = performance.now();
        const answered = ask();
        await until(() => chat.asked.length > before, 'the model is asked');
        chat.be('answer');
        assert.equal((await answered).outcome, 'answered');
        assert.ok(performance.now() - began >= 990);
      });

      await t.test('nobody any more: the model is told', async () => {
        chat.be('slow');
        const left = chat.left();
        const gone = new AbortController();
        const response = await post(service.url, { question, stream: true }, { signal: gone.signal });
        const reader = response.body.getReader();
        await reader.read();
        await until(() => chat.open() > 0, 'the model writes');
        gone.abort();
        await until(() => chat.left() > left, 'the request to the model goes on');
        await until(() => /"status":499/.test(service.log()), 'the log does not say that the client left');
        chat.be('answer');
        assert.equal((await ask()).outcome, 'answered');
      });

      assert.ok(!shown.join('').includes(chat.key), 'the key was shown to a client');
      assert.ok(!service.log().includes(chat.key), 'the key was written to the log');
      assert.ok(!service.log().includes(question), 'the question was written to the log');
    } finally {
      await service.stop();
    }
  });

  test(`${runtime}_answers_in_sentences_of_the_documents_without_a_model`, async () => {
    const service = await start(runtime);
    try {
      const response = await post(service.url, { question });
      const { outcome, answer, sources, degraded } = await response.json();
      assert.equal(outcome, 'extractive');
      assert.ok(answer.length > 20 && sources.length > 0);
      assert.deepEqual(degraded ?? [], []);
    } finally {
      await service.stop();
    }
  });
}

test('answers_are_kept_and_replayed', async () => {
  const worker = await startWorker('r2', guideIndex, { ...chat.settings, ANSWER_HOPS: '0' });
  try {
    const ask = async () => (await post(worker.url, { question })).json();
    const first = await ask();
    const asked = chat.asked.length;
    assert.deepEqual({ ...(await ask()), id: undefined }, { ...first, id: undefined });
    assert.equal(chat.asked.length, asked);
  } finally {
    await worker.stop();
  }
});

test('one_question_opens_six_connections_and_sends_45_subrequests_at_most', async () => {
  const files = filesOf(guideIndex);
  let open = 0;
  let most = 0;
  let all = 0;
  const slow = createServer(async (request, response) => {
    open += 1;
    all += 1;
    most = Math.max(most, open);
    await wait(30);
    const file = files.get(request.url.slice(1));
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    open -= 1;
    if (!file) return response.writeHead(404).end();
    if (from === undefined) return response.writeHead(200, { 'content-length': file.length }).end(file);
    const part = file.subarray(Number(from), Number(to) + 1);
    return response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${file.length}`, 'content-length': part.length }).end(part);
  });
  await new Promise((done) => slow.listen(0, '127.0.0.1', done));
  const worker = await startWorker(`http://127.0.0.1:${slow.address().port}/`, guideIndex, chat.settings);
  try {
    const { outcome } = await (await post(worker.url, { question })).json();
    assert.equal(outcome, 'answered');
    assert.ok(most > 1 && most <= 5, `${most} reads at a time`);
    assert.ok(all <= 45, `${all} reads`);
  } finally {
    await worker.stop();
    await new Promise((done) => slow.close(done) && slow.closeAllConnections());
  }
});
