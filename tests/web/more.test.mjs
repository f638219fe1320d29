// What the search field does only where it is wanted: a tool for agents, reports of searches.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onSite, tireless } from './support/browser.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const browser = tireless();
after(() => browser.close());

/** Opens a page with the elements; `first` runs before their scripts. */
function onPage(elements, work, { first = '', ...options } = {}) {
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: {
      '/index.html': `<!doctype html><html lang="en"><head><title>Test page</title><script src="/first.js"></script>
        <script type="module" src="/coracle/coracle-search.js"></script><script type="module" src="/test.js"></script></head>
        <body><main><h1>Test page</h1>${elements}</main></body></html>`,
      '/first.js': first,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        globalThis.fakes = [...document.querySelectorAll('coracle-search')].map((field) => (field.index = new FakeIndex()));
        addEventListener('coracle-select', (event) => event.preventDefault());`,
    },
    headers: { 'content-security-policy': STRICT_POLICY },
  };
  return onSite(browser, site, options, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.fakes);
    await work(page, server);
    assert.deepEqual(complaints, []);
  });
}

// Agents

/** A model context like the browser's: it refuses a name that is taken, and takes tools back by signal. */
const context = (holder, { bySignal = true, isAsync = true } = {}) => `
  globalThis.tools = new Map();
  Object.defineProperty(${holder}, 'modelContext', { value: {
    registerTool(tool, { signal } = {}) {
      if (tools.has(tool.name)) { const error = new DOMException('taken', 'InvalidStateError'); ${isAsync ? 'return Promise.reject(error)' : 'throw error'}; }
      tools.set(tool.name, tool);
      ${bySignal ? "signal.addEventListener('abort', () => tools.delete(tool.name));" : ''}
      return ${isAsync ? 'Promise.resolve()' : 'undefined'};
    },
    ${bySignal ? '' : 'unregisterTool: (name) => tools.delete(name),'}
  } });`;

for (const [draft, first] of [
  ['document', context('document')],
  ['navigator', context('navigator', { bySignal: false, isAsync: false })],
]) {
  test(`search_is_a_tool_for_agents_on_the_${draft}`, () =>
    onPage(
      '<coracle-search label="Search the guide"></coracle-search><coracle-search label="Search the guide"></coracle-search><coracle-search instance="api docs"></coracle-search>',
      async (page) => {
        await page.waitForFunction(() => tools.size === 2);
        const told = await page.evaluate(() => [...tools.values()].map(({ execute, ...tool }) => tool));
        assert.deepEqual(told.map(({ name }) => name).sort(), ['search', 'search_api_docs']);
        const tool = told.find(({ name }) => name === 'search');
        assert.match(tool.description, /^Search the guide: finds passages/);
        assert.deepEqual(tool.inputSchema.required, ['query']);
        assert.deepEqual(tool.annotations, { readOnlyHint: true, untrustedContentHint: true });
        const call = (input) => page.evaluate(async (input) => JSON.parse((await tools.get('search').execute(input)).content[0].text), input);
        const { total, passages } = await call({ query: 'install', limit: 3 });
        assert.equal(total, 4);
        const origin = new URL(page.url()).origin;
        assert.deepEqual(passages[0], {
          title: 'Installing the tool',
          url: `${origin}/guide/install/#linux`,
          headings: ['From source', 'Linux'],
          text: 'Clone the repository and install the tool with one command. It checks what is missing first.',
        });
        assert.equal(passages.length, 3);
        // An address that is none of a page is not handed on.
        assert.equal(passages[2].url, undefined);
        assert.equal((await call({ query: 'install', limit: 1e9 })).passages.length, 4);
        await assert.rejects(call({ query: ' ' }), /query must be a text/);
        assert.equal(await page.evaluate(() => document.querySelector('coracle-search').state), 'idle', 'the field shows nothing of it');
        await page.evaluate(() => document.querySelectorAll('coracle-search').forEach((field) => field.remove()));
        await page.waitForFunction(() => tools.size === 0);
      },
      { first },
    ));
}

test('field_may_keep_out_of_agents_sight', () =>
  onPage(
    '<coracle-search no-agents></coracle-search><coracle-search instance="b"></coracle-search>',
    async (page) => {
      await page.waitForFunction(() => tools.has('search_b'));
      assert.deepEqual(await page.evaluate(() => [...tools.keys()]), ['search_b']);
    },
    { first: context('document') },
  ));

// Reports

/** Beacons end up in a list of the page. */
const beacons = `globalThis.sent = [];
  navigator.sendBeacon = (url, body) => { sent.push([new URL(url).pathname, JSON.parse(body)]); return true; };`;
const sent = (page, count) => page.waitForFunction((count) => sent.length >= count, count).then(() => page.evaluate(() => sent));

test('searches_that_settle_and_results_that_open_are_reported_where_the_page_wants_it', () =>
  onPage(
    '<coracle-search beacon="/seen"></coracle-search>',
    async (page) => {
      const input = page.getByRole('combobox');
      await input.fill('ins');
      await page.waitForSelector('coracle-search[state=results]');
      await input.fill('install');
      const [first, ...others] = await sent(page, 1);
      assert.deepEqual(first, ['/seen', { type: 'search', page: '/', length: 7, results: 4, corrected: false }]);
      assert.deepEqual(others, [], 'what was typed on the way is not reported');
      await input.press('ArrowDown');
      await input.press('ArrowDown');
      await input.press('Enter');
      assert.deepEqual((await sent(page, 2))[1], ['/seen', { type: 'select', page: '/', length: 7, results: 4, corrected: false, place: 2, target: '/guide/pointers/' }]);
      await input.fill('zebra smrt');
      await page.waitForSelector('coracle-search[state=empty]');
      // Who leaves does not wait.
      await page.evaluate(() => {
        Object.defineProperty(document, 'visibilityState', { value: 'hidden' });
        document.dispatchEvent(new Event('visibilitychange'));
      });
      assert.deepEqual((await sent(page, 3))[2][1], { type: 'search', page: '/', length: 10, results: 0, corrected: true });
    },
    { first: beacons },
  ));

test('section_that_opens_is_reported_in_the_place_of_its_page', () =>
  onPage(
    '<coracle-search beacon="/seen" sections="2"></coracle-search>',
    async (page) => {
      const input = page.getByRole('combobox');
      await page.evaluate(() => (document.querySelector('coracle-search').index.order = { hybrid: ['alpha', 'beta'] }));
      await input.fill('greek');
      await page.waitForSelector('coracle-search[state=results]');
      for (let row = 0; row < 5; row += 1) await input.press('ArrowDown');
      await input.press('Enter');
      const { place, target } = (await sent(page, 2))[1][1];
      assert.deepEqual([place, target], [2, '/beta/']);
    },
    { first: beacons },
  ));

test('reports_hold_the_query_only_where_the_page_says_so', () =>
  onPage(
    '<coracle-search beacon="/seen" beacon-queries></coracle-search>',
    async (page) => {
      await page.getByRole('combobox').fill('pointer');
      assert.equal((await sent(page, 1))[0][1].query, 'pointer');
    },
    { first: beacons },
  ));

for (const [who, elements, first] of [
  ['without_the_attribute', '<coracle-search></coracle-search>', beacons],
  ['of_visitors_who_object', '<coracle-search beacon="/seen"></coracle-search>', `${beacons} Object.defineProperty(navigator, 'globalPrivacyControl', { value: true });`],
]) {
  test(`nothing_is_reported_${who}`, () =>
    onPage(
      elements,
      async (page, server) => {
        await page.getByRole('combobox').fill('install');
        await page.waitForSelector('coracle-search[state=results]');
        await page.getByRole('combobox').press('Enter');
        await page.getByRole('combobox').press('Enter');
        await page.evaluate(() => document.querySelector('coracle-search').remove());
        await page.waitForTimeout(300);
        assert.deepEqual(await page.evaluate(() => sent), []);
        assert.ok(server.asked.every(({ path }) => !path.includes('seen')));
      },
      { first },
    ));
}

// Recent searches

const recent = (page) => page.getByRole('group', { name: 'Recent searches' });
const offered = (page) => page.locator('[part=recent-query]').allInnerTexts();
async function search(page, query) {
  const input = page.getByRole('combobox');
  await input.fill(query);
  await page.waitForFunction((query) => globalThis.answered === query, query);
  await input.press('Enter');
  await input.press('Enter');
  await input.fill('');
  await page.waitForSelector('coracle-search[state=idle]');
}

test('last_searches_that_led_somewhere_are_offered_and_cleared', () =>
  onPage('<button>Elsewhere</button><coracle-search recent></coracle-search>', async (page) => {
    const input = page.getByRole('combobox');
    const away = () => page.getByRole('button', { name: 'Elsewhere' }).focus();
    await page.waitForFunction(() => document.querySelector('coracle-search').shadowRoot.querySelector('[part=recent]'));
    await input.focus();
    assert.ok(await recent(page).isHidden(), 'there are none yet');
    for (const query of ['install', 'pointer', 'install', 'smart', 'tool', 'clone', 'own']) await search(page, query);
    await input.fill('repository');
    await page.waitForSelector('coracle-search[state=results]');
    assert.ok(await recent(page).isHidden());
    await input.fill('');
    await page.waitForSelector('coracle-search[state=idle]');
    await page.reload();
    await page.waitForFunction(() => document.querySelector('coracle-search').shadowRoot.querySelector('[part=recent]'));
    await input.focus();
    assert.deepEqual(await offered(page), ['own', 'clone', 'tool', 'smart', 'install']);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('coracle-search[state=results]');
    assert.equal(await input.inputValue(), 'clone');
    assert.ok(await recent(page).isHidden());
    assert.equal(await page.evaluate(() => document.activeElement.localName), 'coracle-search');
    await input.fill('');
    await page.waitForSelector('coracle-search[state=idle]');
    await away();
    await input.focus();
    assert.ok(await recent(page).isVisible());
    await page.getByRole('button', { name: 'Clear recent searches' }).click();
    assert.ok(await page.locator('coracle-search [part=panel]').isHidden());
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  }));

test('nothing_is_kept_without_the_attribute', () =>
  onPage('<coracle-search></coracle-search>', async (page) => {
    await search(page, 'install');
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  }));

test('damaged_or_forbidden_storage_does_no_harm', () =>
  onPage(
    '<coracle-search recent></coracle-search>',
    async (page) => {
      await page.waitForFunction(() => document.querySelector('coracle-search').shadowRoot.querySelector('[part=recent]'));
      await search(page, 'install');
      await page.getByRole('combobox').focus();
      assert.ok(await recent(page).isHidden());
    },
    { first: `Storage.prototype.getItem = () => '{"not": "a list"}'; Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };` },
  ));
