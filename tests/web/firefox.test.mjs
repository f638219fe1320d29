// The elements in Firefox, under the strict policy: keyboard, results, dialog, streamed answers, filters,
// languages, and the real engine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answer, askServer, source } from './support/ask-server.mjs';
import { launch, openPage, without } from './support/firefox.mjs';
import { guideIndex } from './support/project.mjs';
import { serve, STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const options = { skip: without };

let browser;
let api;
before(async () => {
  if (without) return;
  api = await askServer();
  browser = await launch();
});
after(() => Promise.all([browser?.close(), api?.close()]));

/** Opens a page with the elements; with `fake`, every search field has made-up documents. */
async function onPage(elements, work, { fake = true, html = 'lang="en"' } = {}) {
  const server = await serve({
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/'), '/search/': guideIndex },
    pages: {
      '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><link rel="icon" href="data:,">
        ${['search', 'modal', 'ask', 'parts'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('')}
        <script type="module" src="/test.js"></script></head><body><main><h1>Test page</h1>${elements}</main></body></html>`,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        if (${fake}) for (const field of document.querySelectorAll('coracle-search')) field.index = new FakeIndex();
        globalThis.selected = [];
        addEventListener('coracle-select', (event) => (selected.push(event.detail.id), event.preventDefault()));
        globalThis.ready = true;`,
    },
    headers: { 'content-security-policy': `${STRICT_POLICY.replace("connect-src 'self'", `connect-src 'self' ${api.origin}`)}; img-src data:` },
  });
  try {
    const { page, complaints } = await openPage(browser, `${server.url}/`);
    await page.waitForFunction(() => globalThis.ready);
    await work(page);
    assert.deepEqual(complaints, []);
    await page.close();
  } finally {
    await server.close();
  }
}

/** Waits until an expression on the shadow tree of an element (`root`) is true. */
const until = (page, element, expression) => page.waitForFunction(`(() => { const root = document.querySelector('${element}')?.shadowRoot; return root && (${expression}); })()`);
const look = (page, element, expression) => page.evaluate(`(() => { const root = document.querySelector('${element}').shadowRoot; return ${expression}; })()`);
const focus = (page, element) => page.evaluate((element) => document.querySelector(element).focus(), element);
const titles = `[...root.querySelectorAll('[part=hit-title]')].map((title) => title.textContent)`;
async function clean(page, state) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => (await axe.run({ resultTypes: ['violations'] })).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`));
  assert.deepEqual(violations, [], state);
}

test('keys_search_select_and_open', options, () =>
  onPage('<coracle-search label="Search the guide"></coracle-search>', async (page) => {
    await focus(page, 'coracle-search');
    await page.keyboard.type('install');
    await page.waitForSelector('coracle-search[state=results]');
    assert.equal((await look(page, 'coracle-search', titles)).length, 4);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.match(await look(page, 'coracle-search', `root.querySelector('[aria-selected=true]').textContent`), /^Smart pointers/);
    assert.equal(await look(page, 'coracle-search', `root.querySelector('input').getAttribute('aria-activedescendant') === root.querySelector('[aria-selected=true]').id`), true);
    await clean(page, 'results');
    await page.keyboard.press('Enter');
    assert.deepEqual(await page.evaluate(() => selected), ['pointers']);
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.querySelector('coracle-search').value), '');
    assert.equal(await page.evaluate(() => document.title), 'Test page');
  }));

test('real_engine_searches_in_a_worker', options, () =>
  onPage(
    '<coracle-search></coracle-search>',
    async (page) => {
      await focus(page, 'coracle-search');
      await page.keyboard.type('keyborad shortcuts');
      await page.waitForSelector('coracle-search[state=results]');
      await until(page, 'coracle-search', `root.querySelector('[part=notice]').textContent.includes('keyboard shortcuts')`);
      assert.ok((await look(page, 'coracle-search', titles)).includes('The search field'));
    },
    { fake: false },
  ));

test('dialog_opens_by_key_holds_the_focus_and_gives_it_back', options, () =>
  onPage('<button>Before</button><coracle-modal></coracle-modal><button>After</button>', async (page) => {
    await focus(page, 'button');
    await page.keyboard.down('Control');
    await page.keyboard.press('k');
    await page.keyboard.up('Control');
    await page.waitForSelector('coracle-modal[open]');
    await page.keyboard.type('install');
    await page.waitForSelector('coracle-search[state=results]');
    await clean(page, 'dialog');
    for (let steps = 0; steps < 5; steps += 1) {
      await page.keyboard.press('Tab');
      assert.notEqual(await page.evaluate(() => document.activeElement.localName), 'button');
    }
    await focus(page, 'coracle-search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.waitForSelector('coracle-modal:not([open])');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Before');
  }));

test('answer_streams_stops_and_opens_its_sources', options, () => {
  const events = answer('Install the tool with one command [1]. Penguins live in Antarctica [2].', [
    source(1, 'Installing the tool', 'Clone the repository first. Then install the tool with one command.'),
    source(2, 'Smart pointers', 'A smart pointer owns an object.'),
  ], { doubtful: [2] });
  const at = events.findIndex(({ text }) => text === 'one ');
  api.say([...events.slice(0, at), 'wait', ...events.slice(at)]);
  return onPage(`<coracle-ask api="${api.api}"></coracle-ask>`, async (page) => {
    const ask = async (question) => {
      await look(page, 'coracle-ask', `root.querySelector('textarea').focus()`);
      await page.keyboard.type(question);
      await page.keyboard.press('Enter');
    };
    await ask('How do I install it?');
    await until(page, 'coracle-ask', `root.querySelector('[part=answer]')?.textContent === 'Install the tool with'`);
    api.go();
    await page.waitForSelector('coracle-ask[state=done]');
    assert.equal(await look(page, 'coracle-ask', `root.querySelectorAll('[part~=citation]').length`), 2);
    await look(page, 'coracle-ask', `root.querySelector('[part~=citation]').focus()`);
    await page.keyboard.press('Enter');
    assert.equal(await look(page, 'coracle-ask', `root.querySelector('mark').textContent`), 'Then install the tool with one command.');
    await page.keyboard.press('Escape');
    assert.equal(await look(page, 'coracle-ask', `root.activeElement.getAttribute('part')`), 'citation');
    await clean(page, 'answer');
    api.say([...events.slice(0, at), 'wait']);
    await ask('And then?');
    await until(page, 'coracle-ask', `root.querySelectorAll('[part=answer]')[1]?.textContent === 'Install the tool with'`);
    await look(page, 'coracle-ask', `root.querySelector('[part=send]').click()`);
    await until(page, 'coracle-ask', `[...root.querySelectorAll('[part=notice]')].at(-1).textContent === 'Stopped.'`);
  });
});

test('filters_and_results_beside_the_field', options, () =>
  onPage('<coracle-search></coracle-search><coracle-facets fields="section tags"></coracle-facets><coracle-results></coracle-results>', async (page) => {
    await focus(page, 'coracle-search');
    await page.keyboard.type('install');
    await until(page, 'coracle-results', `${titles}.length === 4`);
    await until(page, 'coracle-facets', `root.querySelectorAll('input').length === 4`);
    await look(page, 'coracle-facets', `root.querySelector('input').focus()`);
    await page.keyboard.press(' ');
    await until(page, 'coracle-results', `${titles}.join() === 'Installing the tool'`);
    await clean(page, 'filtered');
    await focus(page, 'coracle-search');
    await page.keyboard.press('ArrowDown');
    assert.match(await look(page, 'coracle-results', 'root.activeElement.textContent'), /^Installing/);
  }));

test('arabic_is_loaded_mirrored_and_left_again', options, () =>
  onPage(
    '<coracle-search></coracle-search>',
    async (page) => {
      await until(page, 'coracle-search', `root.querySelector('input').placeholder === 'بحث'`);
      await focus(page, 'coracle-search');
      await page.keyboard.type('install');
      await page.waitForSelector('coracle-search[state=results]');
      const places = `(() => { const x = (part) => root.querySelector(part).getBoundingClientRect().x; return [x('[part=icon]'), x('[part=clear]')]; })()`;
      const [icon, clear] = await look(page, 'coracle-search', places);
      assert.ok(icon > clear);
      await clean(page, 'arabic');
      await page.evaluate(() => (document.documentElement.lang = 'en'));
      await until(page, 'coracle-search', `root.querySelector('input').placeholder === 'Search'`);
      const [left, right] = await look(page, 'coracle-search', places);
      assert.ok(left < right);
    },
    { html: 'lang="ar"' },
  ));
