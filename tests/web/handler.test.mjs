// The service as a function, in Node: what it takes, what it refuses, what it never tells.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { index } from '../../www/build/search.mjs';
import { createHandler, folderSource, loadModule } from '../../worker/dist/server.js';
import { at, guideIndex, site } from './support/project.mjs';

let module;
let handle;
before(async () => {
  module = await loadModule();
  handle = make(folderSource(guideIndex)).handle;
});

/** A handler of its own, and what it writes down. */
function make(index, variables = {}, more = {}) {
  const lines = [];
  const reports = [];
  const handle = createHandler({
    module,
    index,
    variables: { RATE_LIMIT: 0, ...variables },
    log: (line) => lines.push(JSON.parse(line)),
    report: (thrown) => reports.push(thrown),
    ...more,
  });
  const get = (path, init) => handle(new Request(`https://search.test${path}`, init));
  return { handle, get, lines, reports };
}

const get = (path, init) => handle(new Request(`https://search.test${path}`, init));
const post = (body, init) => get('/search', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...init });

test('get_search_answers_hits_and_may_be_cached', async () => {
  const response = await get('/search?q=index&limit=2&mode=keyword&facets=section,tags&filter={"section":"guide"}&explain&alpha=0.5');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.equal(response.headers.get('cache-control'), 'public, max-age=300');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  const { hits, query, mode, facets } = await response.json();
  assert.deepEqual([query, mode, hits.length], ['index', 'keyword', 2]);
  assert.deepEqual(Object.keys(facets), ['section', 'tags']);
  assert.ok(hits.every(({ meta, explain }) => meta.section === 'guide' && explain.terms.length > 0));
});

test('post_search_takes_the_same_and_is_not_cached', async () => {
  const response = await post({ q: 'install', group: 'chunk', text: true });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const { hits } = await response.json();
  assert.ok(hits.every(({ text }) => text.length > 20));
  assert.deepEqual((await (await get('/search?q=install&group=chunk&text')).json()).hits, hits);
});

test('head_request_gets_the_headers_alone', async () => {
  const response = await get('/search?q=install', { method: 'HEAD' });
  assert.deepEqual([response.status, await response.text()], [200, '']);
});

test('degraded_answer_says_so_in_a_header', async () => {
  const words = at('target/handler/words/');
  await index('guide', `${site}docs`, words, '--quiet', '--embedder', 'none');
  const { get } = make(folderSource(words));
  const response = await get('/search?q=install&mode=hybrid');
  assert.equal(response.headers.get('coracle-degraded'), 'keyword-only');
  assert.equal((await response.json()).degraded, 'keyword-only');
});

test('health_tells_what_is_in_the_index', async () => {
  const response = await get('/health');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const { status, index } = await response.json();
  assert.equal(status, 'ok');
  assert.match(index.buildId, /^[0-9a-f]{16}$/);
  assert.ok(index.documents > 5 && index.chunks > index.documents && index.fields.includes('section'));
});

test('preflight_allows_a_json_post_from_anywhere', async () => {
  const response = await get('/search', { method: 'OPTIONS' });
  assert.equal(response.status, 204);
  assert.match(response.headers.get('access-control-allow-methods'), /POST/);
  assert.match(response.headers.get('access-control-allow-headers'), /content-type/);
});

const refused = [
  ['/', {}, 404, 'not-found'],
  ['/search', {}, 400, 'missing-query'],
  ['/search?q=%20', {}, 400, 'missing-query'],
  [`/search?q=${'a'.repeat(1001)}`, {}, 400, 'query-too-long'],
  ['/search?q=a&mode=magic', {}, 400, 'bad-request'],
  ['/search?q=a&limit=0', {}, 400, 'bad-request'],
  ['/search?q=a&limit=', {}, 400, 'bad-request'],
  ['/search?q=a&limit=1e9', {}, 400, 'bad-request'],
  ['/search?q=a&limit=2.5', {}, 400, 'bad-request'],
  ['/search?q=a&alpha=2', {}, 400, 'bad-request'],
  ['/search?q=a&filter={', {}, 400, 'bad-request'],
  ['/search?q=a&filter=[1]', {}, 400, 'filter'],
  ['/search?q=a&filter={"nowhere":1}', {}, 400, 'filter'],
  ['/search?q=a&q=b', {}, 400, 'bad-request'],
  ['/search?q=a&colour=red', {}, 400, 'bad-request'],
  ['/search?q=a&__proto__=1', {}, 400, 'bad-request'],
  ['/search?q=a', { method: 'DELETE' }, 405, 'method-not-allowed'],
  ['/health', { method: 'POST', body: '{}' }, 405, 'method-not-allowed'],
  ['/search', { method: 'POST', body: 'q=a' }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: '[]' }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: 'null' }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: new Uint8Array([0x22, 0xff, 0x22]) }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: '{"q": 1}' }, 400, 'missing-query'],
  ['/search', { method: 'POST', body: '{"q": "a", "limit": "5"}' }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: '{"q": "a", "vector": [1, null]}' }, 400, 'bad-request'],
  ['/search', { method: 'POST', body: ' '.repeat(70_000) }, 413, 'body-too-large'],
];
for (const [path, init, status, code] of refused) {
  test(`refused_with_${code}: ${init.method ?? 'GET'} ${path.slice(0, 40)} ${String(init.body ?? '').slice(0, 30)}`, async () => {
    const response = await get(path, init);
    const { error } = await response.json();
    assert.deepEqual([response.status, error.code], [status, code]);
    assert.ok(error.message.length > 10);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
  });
}

/** A source that does what it is told to instead of reading. */
function moody(folder) {
  const files = folderSource(folder);
  const source = {
    fail: undefined,
    opened: 0,
    folder: files,
    async read(file, ...range) {
      if (file === 'root.cora') source.opened += 1;
      await source.fail?.(file);
      return source.folder.read(file, ...range);
    },
  };
  return source;
}

const ask = async ({ get }, query = 'install') => {
  const response = await get(`/search?q=${query}`);
  return { status: response.status, headers: response.headers, ...(await response.json()) };
};
const throwing = (error) => () => Promise.reject(error);

test('what_is_wrong_with_files_goes_to_the_log_and_not_to_clients', async () => {
  const source = moody(guideIndex);
  const service = make(source);
  source.fail = throwing(new Error('secret/place: bucket is away'));
  const { status, headers, error } = await ask(service);
  assert.deepEqual([status, headers.get('retry-after')], [503, '5']);
  assert.deepEqual(error, { code: 'index-unavailable', message: 'the index cannot be read right now' });
  assert.match(service.lines.at(-1).error, /secret\/place: bucket is away/);
});

test('failed_opening_is_tried_again_and_then_kept', async () => {
  const source = moody(guideIndex);
  const service = make(source);
  source.fail = throwing(Object.assign(new Error('not there'), { status: 404 }));
  assert.equal((await ask(service)).status, 503);
  source.fail = undefined;
  const before = source.opened;
  assert.equal((await ask(service)).status, 200);
  assert.equal((await ask(service)).status, 200);
  assert.equal(source.opened, before + 1);
});

for (const [kind, error] of [
  ['gone', Object.assign(new Error('gone'), { status: 404 })],
  ['broken', new Error('connection lost')],
]) {
  test(`index_whose_files_are_${kind}_is_opened_anew_and_the_requests_answered`, async () => {
    const source = moody(guideIndex);
    const service = make(source);
    assert.equal((await ask(service)).status, 200);
    // Until it is opened again, as after a new build took the place of the files.
    const before = source.opened;
    source.fail = (file) => (file !== 'root.cora' && source.opened === before ? Promise.reject(error) : undefined);
    const answers = await Promise.all(['wrangler', 'colours', 'policy'].map((query) => ask(service, query)));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
    assert.ok(source.opened > before);
  });
}

test('index_that_stays_lost_is_an_error_after_one_more_try', async () => {
  const source = moody(guideIndex);
  const service = make(source);
  source.fail = (file) => (file === 'root.cora' ? undefined : Promise.reject(Object.assign(new Error('gone'), { status: 404 })));
  const { status } = await ask(service);
  assert.deepEqual([status, source.opened], [503, 2]);
});

test('newer_build_is_found_when_it_is_time_to_look', async () => {
  const pages = at('target/handler/pages');
  rmSync(pages, { recursive: true, force: true });
  mkdirSync(pages, { recursive: true });
  cpSync(`${site}docs/widget`, `${pages}/widget`, { recursive: true });
  const other = at('target/handler/other/');
  await index('guide', pages, other, '--quiet', '--embedder', 'none');
  const source = moody(guideIndex);
  const service = make(source, { REFRESH_SECONDS: 0 });
  const build = async () => (await (await service.get('/health')).json()).index.buildId;
  const first = await build();
  assert.equal(await build(), first);
  source.folder = folderSource(other);
  assert.notEqual(await build(), first);
});

test('index_at_hand_serves_on_where_looking_for_a_newer_one_fails', async () => {
  const source = moody(guideIndex);
  const service = make(source, { REFRESH_SECONDS: 0 });
  assert.equal((await ask(service)).status, 200);
  source.fail = (file) => (file === 'root.cora' ? Promise.reject(new Error('bucket is away')) : undefined);
  assert.equal((await ask(service)).status, 200);
});

test('service_that_runs_out_of_memory_is_started_anew', async () => {
  const source = moody(guideIndex);
  const service = make(source);
  assert.equal((await ask(service)).status, 200);
  // More than the module may ever have.
  const read = source.read;
  source.read = async (file, ...range) => (file === 'root.cora' ? read(file, ...range) : new Uint8Array(120 << 20));
  const { status, error } = await ask(service, 'wrangler');
  assert.deepEqual([status, error.code], [500, 'internal']);
  assert.match(String(service.reports[0]), /RuntimeError/);
  source.read = read;
  assert.equal((await ask(service, 'wrangler')).status, 200);
  // Other services lived in the same instance.
  assert.equal((await get('/search?q=wrangler')).status, 200);
});

test('requests_under_way_when_another_one_fails_are_answered', async () => {
  const source = moody(guideIndex);
  const service = make(source);
  assert.equal((await ask(service)).status, 200);
  const read = source.read;
  let isLarge = true;
  source.read = async (...asked) => {
    if (!isLarge) return read(...asked);
    isLarge = false;
    await new Promise((done) => setTimeout(done, 50));
    return new Uint8Array(120 << 20);
  };
  const answers = await Promise.all(['wrangler', 'colours', 'policy', 'filter'].map((query) => ask(service, query)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 500]);
});

test('wrong_setting_is_named_without_its_value', () => {
  assert.throws(() => make(folderSource(guideIndex), { RATE_LIMIT: 'sk-marker' }), ({ message }) => /RATE_LIMIT/.test(message));
  const chat = { CHAT_API: 'completions', CHAT_URL: 'http://models.example/v1', CHAT_MODEL: 'm', CHAT_KEY: 'sk-marker' };
  assert.throws(() => make(folderSource(guideIndex), chat), ({ message }) => /CHAT_/.test(message) && !message.includes('sk-marker'));
});

/** Events of a model of Workers AI. */
function spoken(...words) {
  const events = words.map((response) => `data: ${JSON.stringify({ response })}\n\n`);
  return new Response([...events, 'data: [DONE]\n\n'].join(''), { headers: { 'content-type': 'text/event-stream' } });
}

const question = JSON.stringify({ question: 'Which keys does the search field understand?' });

test('models_are_run_by_the_binding_that_their_address_names', async () => {
  const runs = [];
  const AI = {
    async run(...asked) {
      runs.push(asked);
      return spoken('Enter opens the selected result', ' [1].');
    },
  };
  const variables = { CHAT_API: 'workers-ai', CHAT_URL: 'binding:AI', CHAT_MODEL: '@cf/meta/llama', CACHE_SECONDS: 0, ANSWER_HOPS: 0 };
  const service = make(folderSource(guideIndex), variables, { bindings: { AI } });
  const response = await service.get('/query', { method: 'POST', body: question });
  const { answer, outcome } = await response.json();
  assert.deepEqual([answer, outcome], ['Enter opens the selected result [1].', 'answered']);
  const [[model, input, options]] = runs;
  assert.equal(model, '@cf/meta/llama');
  assert.deepEqual([input.stream, input.messages.at(-1).role], [true, 'user']);
  assert.ok(options.returnRawResponse && options.signal instanceof AbortSignal);
  // A binding that is not there is a model that is down.
  const without = make(folderSource(guideIndex), variables);
  const { outcome: other } = await (await without.get('/query', { method: 'POST', body: question })).json();
  assert.equal(other, 'extractive');
});

test('models_that_redirect_get_no_key', async () => {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  try {
    const url = `http://127.0.0.1:${server.address().port}/v1`;
    const service = make(folderSource(guideIndex), { CHAT_URL: url, CHAT_MODEL: 'm', CHAT_KEY: 'sk-marker', CACHE_SECONDS: 0 });
    const { outcome } = await (await service.get('/query', { method: 'POST', body: question })).json();
    assert.equal(outcome, 'extractive');
    assert.ok(asked.length > 0 && asked.every((path) => path === '/v1/chat/completions'), asked.join(' '));
  } finally {
    await new Promise((done) => server.close(done) && server.closeAllConnections());
  }
});

test('limiter_of_the_host_counts_what_requests_cost', async () => {
  let left = 25;
  const keys = new Set();
  const limiter = {
    async limit({ key }) {
      keys.add(key);
      left -= 1;
      return { success: left >= 0 };
    },
  };
  const handle = make(folderSource(guideIndex), { RATE_LIMIT: 600 }, { limiter }).handle;
  const ask = (path, init) => handle(new Request(`https://search.test${path}`, init), { client: '192.0.2.7' });
  assert.equal((await ask('/query', { method: 'POST', body: question })).status, 200);
  for (let time = 0; time < 5; time += 1) assert.equal((await ask('/search?q=install')).status, 200);
  const refused = await ask('/search?q=install');
  assert.deepEqual([refused.status, (await refused.json()).error.code], [429, 'rate-limited']);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.deepEqual([...keys], ['192.0.2.7']);
});

test('one_request_opens_six_connections_and_sends_45_subrequests_at_most', async () => {
  const { Budget, MOST_CONNECTIONS, MOST_READS, MOST_SUBREQUESTS } = await import('../../worker/dist/server.js');
  const budget = new Budget(MOST_SUBREQUESTS);
  assert.deepEqual([budget.left('read'), budget.left('model')], [37, 45]);
  const { signal } = new AbortController();
  let open = { read: 0, model: 0 };
  const most = { read: 0, all: 0 };
  const work = (use) => async () => {
    open[use] += 1;
    most.read = Math.max(most.read, open.read);
    most.all = Math.max(most.all, open.read + open.model);
    await new Promise((done) => setTimeout(done, 2));
    open[use] -= 1;
  };
  const uses = Array.from({ length: 60 }, (_, at) => (at % 6 === 5 ? 'model' : 'read'));
  const outcomes = await Promise.allSettled(uses.map((use) => budget.spend(use, signal, work(use))));
  assert.deepEqual([most.read, most.all], [MOST_READS, MOST_CONNECTIONS]);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, budget.used);
  assert.equal(budget.left('read'), 0);
  assert.ok(budget.used <= MOST_SUBREQUESTS);
  // Reads leave something for models.
  assert.ok(uses.every((use, at) => use === 'read' || outcomes[at].status === 'fulfilled'));
  // Who is called off while waiting takes nothing.
  const stop = new AbortController();
  const tight = new Budget(MOST_SUBREQUESTS);
  const busy = Array.from({ length: MOST_READS }, () => tight.spend('read', signal, work('read')));
  const waiting = tight.spend('read', stop.signal, () => assert.fail('it was called off'));
  stop.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  await Promise.all(busy);
  await tight.spend('read', signal, work('read'));
});

test('reads_of_a_folder_share_a_file_and_leave_none_open', async (t) => {
  const descriptors = '/proc/self/fd';
  if (!existsSync(descriptors)) return t.skip(`${descriptors} is not there`);
  const file = readdirSync(guideIndex).find((name) => name !== 'root.cora');
  const path = join(guideIndex, file);
  const opened = () => {
    const target = (fd) => {
      try {
        return readlinkSync(join(descriptors, fd));
      } catch {
        return undefined; // The one that lists them.
      }
    };
    return readdirSync(descriptors).filter((fd) => target(fd) === path).length;
  };
  const source = folderSource(guideIndex);
  const bytes = readFileSync(path);
  for (let wave = 0; wave < 3; wave += 1) {
    const starts = Array.from({ length: 20 }, (_, at) => wave * 200 + at * 10);
    const reads = starts.map((start) => source.read(file, start, start + 10));
    await reads[0];
    assert.ok(opened() <= 1);
    for (const [at, read] of reads.entries()) assert.deepEqual(await read, new Uint8Array(bytes.subarray(starts[at], starts[at] + 10)));
  }
  for (let tries = 0; opened() > 0 && tries < 100; tries += 1) await sleep(10);
  assert.equal(opened(), 0);
  const missing = [0, 1].map((start) => source.read('missing.cora', start, 9));
  for (const read of missing) await assert.rejects(read, { status: 404 });
});
