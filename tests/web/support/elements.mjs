// The elements under the strict policy, as every browser must show them: keyboard, results, dialog, streamed
// answers, filters, languages, failures, styles of the page, and the real engine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { answer, askServer, source } from './ask-server.mjs';
import { at, guideIndex } from './project.mjs';
import { serve, STRICT_POLICY } from './server.mjs';
import { hostile, inherited, looks } from './styles.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What a page notes about itself, for browsers that tell nobody else. */
const NOTES = `globalThis.complaints = [];
  const note = (text) => complaints.push(text);
  addEventListener('error', ({ message, target }) => note(message ?? \`not loaded: \${target.outerHTML}\`), true);
  addEventListener('unhandledrejection', ({ reason }) => note(\`not caught: \${reason}\`));
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => note(\`\${violatedDirective}: \${blockedURI}\`));
  const { error } = console;
  console.error = (...told) => (note(told.join(' ')), error.apply(console, told));`;

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

/**
 * Declares the tests of the elements for a browser.
 *
 * @param browser `without`, why they are skipped; `launch()`, a browser to `close()`; and
 *   `openPage(launched, url)`: a page with the methods of Puppeteer's that are used here, and
 *   `complaints()`, the errors that it met
 */
export function testElements({ without, launch, openPage }) {
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
  async function onPage(elements, work, { fake = true, html = 'lang="en"', css = '', address = '', expects = [] } = {}) {
    const server = await serve({
      mounts: { '/coracle/': at('www/dist/'), '/support/': at('tests/web/support/'), '/search/': guideIndex },
      pages: {
        '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><link rel="icon" href="data:,"><script src="/notes.js"></script><link rel="stylesheet" href="/page.css">
          ${['search', 'modal', 'ask', 'parts'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('')}
          <script type="module" src="/test.js"></script></head><body><main><h1>Test page</h1>${elements}</main></body></html>`,
        '/notes.js': NOTES,
        '/page.css': css,
        '/test.js': `import { FakeIndex } from '/support/fake-index.js';
          if (${fake}) for (const field of document.querySelectorAll('coracle-search')) field.index = new FakeIndex();
          globalThis.selected = [];
          addEventListener('coracle-select', (event) => (selected.push(event.detail.id), event.preventDefault()));
          globalThis.ready = true;`,
      },
      headers: { 'content-security-policy': `${STRICT_POLICY.replace("connect-src 'self'", `connect-src 'self' ${api.origin}`)}; img-src data:` },
    });
    try {
      const { page, complaints } = await openPage(browser, `${server.url}/${address}`);
      try {
        await page.waitForFunction(() => globalThis.ready);
        await work(page, server);
        const unexpected = (await complaints()).filter((complaint) => !expects.some((expected) => expected.test(complaint)));
        assert.deepEqual(unexpected, []);
      } finally {
        await page.close();
      }
    } finally {
      await server.close();
    }
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
      await look(page, 'coracle-modal', `root.querySelector('[part=button]').click()`);
      await page.waitForSelector('coracle-modal[open]');
      await look(page, 'coracle-modal', `root.querySelector('[part=close]').click()`);
      await page.waitForSelector('coracle-modal:not([open])');
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

  test('two_fields_keep_to_themselves', options, () =>
    onPage('<coracle-search id="a" label="A"></coracle-search><coracle-search id="b" label="B" instance="b"></coracle-search><coracle-results instance="b"></coracle-results>', async (page) => {
      await focus(page, '#a');
      await page.keyboard.type('install');
      await until(page, '#a', `${titles}.length === 4`);
      await focus(page, '#b');
      await page.keyboard.type('smart');
      await until(page, 'coracle-results', `${titles}.join() === 'Smart pointers'`);
      assert.equal(await look(page, '#a', `root.querySelector('[part=panel]').checkVisibility()`), false);
      assert.equal(await look(page, '#a', `root.querySelector('input').value`), 'install');
      await clean(page, 'two fields');
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

  test('every_element_shows_itself', options, () => {
    const { modules } = JSON.parse(readFileSync(at('www/dist/custom-elements.json'), 'utf8'));
    const all = modules.flatMap(({ declarations }) => declarations.map(({ tagName }) => tagName));
    // This one holds attributes for the others.
    const shown = all.filter((name) => name !== 'coracle-config');
    assert.ok(shown.length > 4, all.join());
    return onPage(shown.map((name) => `<${name} fields="section"></${name}>`).join(''), async (page) => {
      await focus(page, 'coracle-search');
      await page.keyboard.type('install');
      await until(page, 'coracle-results', `${titles}.length === 4`);
      for (const name of shown) await until(page, name, `root.host.checkVisibility() && root.host.getBoundingClientRect().height > 20 && root.textContent.trim() !== ''`);
    });
  });

  test('failure_of_the_service_is_said_and_retry_recovers', options, () =>
    onPage(
      `<coracle-ask api="${api.api}"></coracle-ask>`,
      async (page) => {
        api.refuse(503);
        await look(page, 'coracle-ask', `root.querySelector('textarea').focus()`);
        await page.keyboard.type('How?');
        await page.keyboard.press('Enter');
        await page.waitForSelector('coracle-ask[state=error]');
        assert.equal(await look(page, 'coracle-ask', `root.querySelector('[part~=notice-error]').textContent`), 'The service is not available right now.');
        await clean(page, 'failure');
        api.say([...answer('Install it [1].', [source(1, 'Installing', 'Install it.')]).slice(0, -1), 'cut']);
        await look(page, 'coracle-ask', `root.querySelector('[part=retry]').focus()`);
        await page.keyboard.press('Enter');
        await until(page, 'coracle-ask', `root.querySelector('[part~=notice-error]')?.textContent === 'The answer broke off.'`);
        api.say(answer('Install it [1].', [source(1, 'Installing', 'Install it.')]));
        await look(page, 'coracle-ask', `root.querySelector('[part=retry]').focus()`);
        await page.keyboard.press('Enter');
        await page.waitForSelector('coracle-ask[state=done]');
        assert.equal(await look(page, 'coracle-ask', `root.querySelectorAll('[part~=citation]').length`), 1);
        assert.equal(await look(page, 'coracle-ask', `root.querySelectorAll('[part~=turn]').length`), 1);
      },
      { expects: [/Failed to load resource|503/] },
    ));

  test('no_connection_is_an_error_that_a_retry_recovers_from_slowly', options, () =>
    onPage(
      '<coracle-search></coracle-search>',
      async (page, server) => {
        server.treat({ gone: true });
        await focus(page, 'coracle-search');
        await page.keyboard.type('keyboard');
        await page.waitForSelector('coracle-search[state=error]');
        await clean(page, 'no connection');
        server.treat({ delay: 200 });
        await look(page, 'coracle-search', `root.querySelector('[part=retry]').focus()`);
        await page.keyboard.press('Enter');
        await page.waitForSelector('coracle-search[state=loading]');
        assert.equal(await look(page, 'coracle-search', `root.querySelector('input').getAttribute('aria-busy')`), 'true');
        await page.waitForSelector('coracle-search[state=results]');
        assert.ok((await look(page, 'coracle-search', titles)).length > 0);
        // What was read stays at hand.
        server.treat({ gone: true });
        await page.evaluate(() => (document.querySelector('coracle-search').value = ''));
        await focus(page, 'coracle-search');
        await page.keyboard.type('keyboard');
        await page.waitForSelector('coracle-search[state=results]');
      },
      { fake: false, expects: [/NetworkError|Failed to load|load failed|ERR_|not loaded|Loading failed/i] },
    ));

  test('words_of_the_address_are_marked_until_escape', options, () =>
    onPage(
      '<p>A coracle is a boat; coracles are boats.</p><script type="module" src="/coracle/coracle-highlight.js"></script>',
      async (page) => {
        const marked = `[...(globalThis.CSS?.highlights?.get('coracle') ?? document.querySelectorAll('main mark'))].map((mark) => mark.textContent ?? String(mark)).join()`;
        await page.waitForFunction(`(${marked}) === 'coracle,boat'`);
        await page.keyboard.press('Escape');
        assert.equal(await page.evaluate(marked), '');
        assert.equal(await page.evaluate(() => location.search), '');
      },
      { address: '?highlight=boat+coracle' },
    ));

  test('styles_of_the_page_do_not_reach_into_the_elements', options, async () => {
    const elements = '<coracle-search inline></coracle-search><coracle-search instance="b"></coracle-search><coracle-facets instance="b" fields="tags"></coracle-facets><coracle-results instance="b"></coracle-results><coracle-ask></coracle-ask>';
    const seen = async (css) => {
      let told;
      await onPage(
        elements,
        async (page) => {
          await page.evaluate(() => {
            for (const field of document.querySelectorAll('coracle-search')) field.value = 'install';
          });
          await page.waitForFunction(() => document.querySelectorAll('coracle-search[state=results]').length === 2);
          await until(page, 'coracle-facets', `root.querySelectorAll('input').length > 0`);
          told = await looks(page);
        },
        { css },
      );
      return told;
    };
    const plain = await seen(inherited);
    assert.ok(plain.length > 40, `${plain.length} parts`);
    assert.deepEqual(await seen(hostile + inherited), plain);
  });
}
