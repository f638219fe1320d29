// Answers by a server of models that others wrote (https://github.com/CopilotKit/aimock), which serves every
// API that a worker can speak with a server of one's own.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { said } from './support/chat.mjs';
import { startWorker } from './support/edge.mjs';
import { guideIndex } from './support/project.mjs';
import { events, post } from './support/query.mjs';

const KEY = 'sk-test-marker-0815';
const MODEL = 'model-1';
const question = 'Which keys does the search field understand?';

/** By API: its address on the server, and the path that is asked there. */
const apis = {
  completions: ['/v1', '/v1/chat/completions'],
  azure: [`/openai/deployments/${MODEL}?api-version=2024-10-21`, `/openai/deployments/${MODEL}/chat/completions`],
  responses: ['/v1', '/v1/responses'],
  anthropic: ['/v1', '/v1/messages'],
  ollama: ['', '/api/chat'],
};

/** The server; words come one by one, as from a model. */
const server = new LLMock({ host: '127.0.0.1', port: 0, auth: { apiKeys: [KEY] }, chunkSize: 8 });

/** What an answer cost, in OpenAI's words and in Anthropic's. */
const usage = { prompt_tokens: 700, input_tokens: 700, completion_tokens: 11, output_tokens: 11 };

/** A part of a conversation as text, whichever way an API writes it. */
const text = (content) => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join(''));

/** Has it say what the model says to what it is shown; `how` says how that comes. */
const speak = (how = {}) =>
  server.on({}, ({ messages }) => ({ content: said(messages.map((message) => ({ ...message, content: text(message.content) }))), usage }), { streamingProfile: { tps: 200 }, ...how });

const settings = (api, more = {}) => ({
  CHAT_API: api,
  CHAT_URL: `${server.url}${apis[api][0]}`,
  CHAT_MODEL: MODEL,
  CHAT_KEY: KEY,
  CACHE_SECONDS: '0',
  ANSWER_HOPS: '0',
  ANSWER_DEADLINE_MS: '5000',
  ...more,
});

before(() => server.start());
after(() => server.stop());
beforeEach(() => {
  server.clearFixtures().clearRequests();
  speak();
});

for (const api of Object.keys(apis)) {
  test(`${api}_streams_an_answer_that_cites_the_guide`, { timeout: 60_000 }, async () => {
    const worker = await startWorker('r2', guideIndex, settings(api));
    try {
      const all = await events(await post(worker.url, { question, stream: true }));
      const of = (name) => all.filter((event) => event.name === name);
      assert.equal(of('done')[0]?.outcome, 'answered', JSON.stringify(all.at(-1)));
      assert.ok(of('delta').length > 3, `${of('delta').length} pieces`);
      const answer = of('delta').map(({ text }) => text).join('');
      assert.match(answer, /\[1\]\.$/);
      const [{ sources }] = of('sources');
      assert.match(sources[0].url, /^\/docs\/widget\//);
      // What is cited stands in the document.
      const words = (text) => text.replace(/\s+/g, ' ');
      assert.ok(words(sources[0].text).includes(words(answer).replace(/ \[1\]\.$/, '')), answer);
      const [citation] = of('citation');
      assert.deepEqual([citation.sources, citation.supported], [[1], true]);
      // In Ollama's words it counts nothing.
      assert.deepEqual(of('usage').map(({ input, output }) => [input, output]), api === 'ollama' ? [] : [[700, 11]]);
      assert.deepEqual(of('degraded'), []);
      const asked = server.getRequests();
      assert.deepEqual(asked.map(({ path, response }) => [path.split('?')[0], response.status]), [[apis[api][1], 200]]);
      // The same without a stream to the client.
      const whole = await (await post(worker.url, { question })).json();
      assert.deepEqual([whole.outcome, whole.answer], ['answered', answer]);
      assert.ok(!worker.log().includes(KEY));
    } finally {
      await worker.stop();
    }
  });

  test(`${api}_refusals_lead_to_the_documents_and_pauses_are_kept`, { timeout: 60_000 }, async () => {
    const worker = await startWorker('r2', guideIndex, settings(api));
    try {
      const ask = async () => (await post(worker.url, { question })).json();
      // Once too many: asked again after the second that the server names.
      server.nextRequestError(429, { message: 'too many', type: 'rate_limit_error', code: 'rate_limit' });
      const began = performance.now();
      assert.equal((await ask()).outcome, 'answered');
      assert.ok(performance.now() - began >= 990);
      assert.deepEqual(server.getRequests().map(({ response }) => response.status), [429, 200]);
      // For an hour: nobody waits that long.
      server.clearFixtures().clearRequests();
      server.on({}, { error: { message: 'too many', type: 'rate_limit_error', code: 'rate_limit' }, status: 429, retryAfter: 3600 });
      const { outcome, answer, sources, degraded } = await ask();
      assert.deepEqual([outcome, degraded.map(({ part }) => part)], ['extractive', ['chat']]);
      assert.ok(answer.length > 20 && sources.length > 0);
      assert.equal(server.getRequests().length, 1);
    } finally {
      await worker.stop();
    }
  });
}

test('wrong_key_is_refused_and_told_to_nobody', { timeout: 60_000 }, async () => {
  const wrong = 'sk-wrong-marker-0816';
  const worker = await startWorker('r2', guideIndex, settings('completions', { CHAT_KEY: wrong }));
  try {
    const response = await post(worker.url, { question });
    const told = await response.text();
    const { outcome, degraded } = JSON.parse(told);
    assert.deepEqual([response.status, outcome, degraded.map(({ part }) => part)], [200, 'extractive', ['chat']]);
    assert.ok(!`${told}${worker.log()}`.includes(wrong));
  } finally {
    await worker.stop();
  }
});

for (const [way, how] of [['after_some_words', { truncateAfterChunks: 6 }], ['in_time', { disconnectAfterMs: 60 }]]) {
  test(`stream_that_ends_${way}_is_an_answer_that_broke_off`, { timeout: 60_000 }, async () => {
    const worker = await startWorker('r2', guideIndex, settings('completions'));
    try {
      server.clearFixtures();
      speak({ streamingProfile: { tps: 50 }, ...how });
      const all = await events(await post(worker.url, { question, stream: true }));
      assert.equal(all.at(-1).outcome, 'broken', JSON.stringify(all.at(-1)));
      assert.ok(all.some(({ name }) => name === 'delta'));
      assert.ok(all.some(({ name, code }) => name === 'error' && code));
    } finally {
      await worker.stop();
    }
  });
}
