// The endpoint as a function: what it takes, what it refuses, what it never tells.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createHandler } from '../../worker/dist/handler.js';
import { FakeIndex } from './support/fake-index.js';

let index;
let handle;
before(() => {
  index = new FakeIndex();
  handle = createHandler({ open: async () => index });
});

const get = (path, init) => handle(new Request(`https://search.test${path}`, init));
const post = (body, init) => get('/search', { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), ...init });

test('get_search_answers_hits_and_may_be_cached', async () => {
  const response = await get('/search?q=install&limit=2&mode=keyword&facets=a,b&filter={"lang":"en"}&explain&alpha=0.5');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.equal(response.headers.get('cache-control'), 'public, max-age=300');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  const { hits, total, query } = await response.json();
  assert.deepEqual([query, total, hits.map(({ id }) => id)], ['install', 4, ['install', 'pointers']]);
  const options = { mode: 'keyword', limit: 2, facets: ['a', 'b'], filter: { lang: 'en' }, explain: true, alpha: 0.5 };
  assert.deepEqual(index.asked.at(-1), { query: 'install', options: { ...options, timeout: 10_000 } });
});

test('post_search_takes_the_same_and_is_not_cached', async () => {
  const response = await post({ q: 'install', group: 'chunk', vector: [0.5, -1], text: true });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const { hits } = await response.json();
  assert.match(hits[0].text, /^Clone the repository/);
  assert.deepEqual(index.asked.at(-1).options, { group: 'chunk', vector: [0.5, -1], timeout: 10_000 });
});

test('degraded_answer_says_so_in_a_header', async () => {
  const response = await get('/search?q=degraded');
  assert.equal(response.headers.get('coracle-degraded'), 'keyword-only');
});

test('health_tells_what_is_in_the_index', async () => {
  const response = await get('/health');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  assert.deepEqual(await response.json(), { status: 'ok', index: { documents: 4, chunks: 4 } });
});

test('preflight_allows_a_json_post_from_anywhere', async () => {
  const response = await get('/search', { method: 'OPTIONS' });
  assert.equal(response.status, 204);
  assert.match(response.headers.get('access-control-allow-methods'), /POST/);
  assert.equal(response.headers.get('access-control-allow-headers'), 'content-type');
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

test('engine_errors_become_client_errors_only_where_the_client_erred', async () => {
  const failing = (error) => createHandler({ open: async () => ({ ...index, search: async () => Promise.reject(error) }) });
  const ask = async (error) => {
    const response = await failing(error)(new Request('https://search.test/search?q=a'));
    return [response.status, (await response.json()).error];
  };
  const unknown = Object.assign(new Error('no field `colour`; known are lang, year'), { code: 'filter' });
  assert.deepEqual(await ask(unknown), [400, { code: 'filter', message: unknown.message }]);
  const damaged = Object.assign(new Error('secret/place/postings: hash differs'), { code: 'damaged' });
  assert.deepEqual(await ask(damaged), [503, { code: 'index-unavailable', message: 'the index cannot be read right now' }]);
});

test('failed_opening_is_reported_and_tried_again', async () => {
  const reports = [];
  let tries = 0;
  const open = async () => {
    tries += 1;
    if (tries === 1) throw new Error('bucket is away');
    return index;
  };
  const flaky = createHandler({ open, report: (thrown) => reports.push(thrown.message) });
  const ask = () => flaky(new Request('https://search.test/search?q=install'));
  const first = await ask();
  assert.deepEqual([first.status, first.headers.get('retry-after'), reports], [503, '5', ['bucket is away']]);
  assert.equal((await ask()).status, 200);
  assert.equal((await ask()).status, 200);
  assert.equal(tries, 2);
});

/** An index that fails with `code` once `gone` is set. */
function build(buildId, code) {
  const made = new FakeIndex();
  made.info.buildId = buildId;
  const search = made.search.bind(made);
  made.search = async (...asked) => {
    if (made.closed || made.gone) throw Object.assign(new Error('gone'), { code: made.closed ? 'closed' : code });
    return search(...asked);
  };
  made.close = () => (made.closed = true);
  return made;
}

for (const code of ['source', 'root', 'damaged']) {
  test(`index_lost_with_${code}_is_opened_anew_and_the_requests_answered`, async () => {
    const opened = [];
    const open = async () => {
      opened.push(build(`number ${opened.length}`, code));
      return opened.at(-1);
    };
    const serving = createHandler({ open });
    const ask = () => serving(new Request('https://search.test/search?q=install'));
    assert.equal((await ask()).status, 200);
    opened[0].gone = true;
    const answers = await Promise.all([ask(), ask(), ask()]);
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
    assert.equal(opened.filter(({ closed }) => !closed).length, 1, 'all but one are closed');
  });
}

test('index_that_stays_lost_is_an_error_after_one_more_try', async () => {
  let opened = 0;
  const open = async () => {
    opened += 1;
    const lost = build('one', 'source');
    lost.gone = true;
    return lost;
  };
  const response = await createHandler({ open })(new Request('https://search.test/search?q=install'));
  assert.deepEqual([response.status, opened], [503, 2]);
});

test('newer_build_is_found_when_it_is_time_to_look', async () => {
  const builds = [build('one'), build('one'), build('two')];
  let opened = 0;
  const serving = createHandler({ refresh: 0, open: async () => builds[opened++] });
  const health = async () => (await (await serving(new Request('https://search.test/health'))).json()).index.buildId;
  assert.deepEqual([await health(), await health(), await health()], ['one', 'one', 'two']);
  assert.deepEqual(builds.map(({ closed }) => closed ?? false), [true, true, false]);
});

test('index_at_hand_serves_on_where_looking_for_a_newer_one_fails', async () => {
  const reports = [];
  let tries = 0;
  const open = async () => {
    tries += 1;
    if (tries > 1) throw new Error('bucket is away');
    return build('one');
  };
  const serving = createHandler({ refresh: 0, open, report: ({ message }) => reports.push(message) });
  for (let time = 0; time < 2; time += 1) assert.equal((await serving(new Request('https://search.test/search?q=install'))).status, 200);
  assert.deepEqual(reports, ['bucket is away']);
});
