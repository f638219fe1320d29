// The element in a real browser, under the strictest policy it promises to work with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './support/browser.mjs';
import { serve, STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const page = (elements, script) => ({
  '/index.html': `<!doctype html><html lang="en"><head><title>Test page</title>
    <script type="module" src="/coracle/coracle-search.js"></script><script type="module" src="/test.js"></script>
    </head><body><main><h1>Test page</h1>${elements}</main></body></html>`,
  '/test.js': script,
  '/guide/pointers/index.html': '<!doctype html><title>Smart pointers</title>',
});

const withFake = `
  import { FakeIndex } from '/support/fake-index.js';
  globalThis.fakes = [...document.querySelectorAll('coracle-search')].map((field) => (field.index = new FakeIndex()));
  globalThis.selected = [];
  document.addEventListener('coracle-select', (event) => {
    globalThis.selected.push(event.detail.id);
    event.preventDefault();
  });
`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Opens a page with the given elements; `work` gets it, and no complaint may have come up after. */
async function onPage(elements, work, { script = withFake, ...options } = {}) {
  const server = await serve({
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: page(elements, script),
    headers: { 'content-security-policy': STRICT_POLICY },
  });
  const { page: opened, complaints } = await openPage(browser, `${server.url}/`, options);
  try {
    await opened.waitForFunction(() => globalThis.fakes);
    await work(opened, server);
    assert.deepEqual(complaints, []);
  } finally {
    await opened.context().close();
    await server.close();
  }
}

const one = '<coracle-search label="Search the guide"></coracle-search>';
const state = (opened, wanted) => opened.waitForSelector(`coracle-search[state=${wanted}]`);
const input = (opened) => opened.getByRole('combobox');
const active = (opened) => opened.evaluate(() => document.querySelector('coracle-search').shadowRoot.querySelector('[aria-selected=true]')?.id);

test('results_while_typing_show_title_headings_excerpt_and_address', () =>
  onPage(one, async (opened) => {
    await input(opened).pressSequentially('install');
    await state(opened, 'results');
    const first = opened.getByRole('option').first();
    assert.match(await first.innerText(), /^Installing the tool\nFrom source\s*›\s*Linux\nClone the repository and install .*\n\/guide\/install\/$/s);
    assert.equal(await first.locator('mark').innerText(), 'install');
    assert.match(await first.getAttribute('href'), /\/guide\/install\/#linux$/);
    assert.equal(await opened.getByRole('listbox').getAttribute('aria-label'), 'Search the guide');
  }));

test('keys_move_the_selection_and_open_the_hit', () =>
  onPage(one, async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'results');
    const ids = await opened.getByRole('option').evaluateAll((options) => options.map(({ id }) => id));
    const press = async (key, expected) => {
      await input(opened).press(key);
      assert.equal(await active(opened), expected, key);
      assert.equal(await input(opened).getAttribute('aria-activedescendant'), expected ?? null, key);
    };
    await press('ArrowDown', ids[0]);
    await press('ArrowDown', ids[1]);
    await press('End', ids.at(-1));
    await press('ArrowDown', undefined);
    await press('ArrowUp', ids.at(-1));
    await press('Home', ids[0]);
    await input(opened).press('Enter');
    assert.deepEqual(await opened.evaluate('selected'), ['install']);
    assert.equal(await input(opened).getAttribute('aria-expanded'), 'false');
    await press('ArrowDown', undefined);
    assert.equal(await input(opened).getAttribute('aria-expanded'), 'true');
    await press('Enter', ids[0]);
    await press('Escape', undefined);
    assert.equal(await input(opened).inputValue(), 'install');
    await press('Escape', undefined);
    assert.equal(await input(opened).inputValue(), '');
    await state(opened, 'idle');
  }));

test('enter_without_listener_follows_the_link', () =>
  onPage(
    one,
    async (opened) => {
      await input(opened).fill('pointer');
      await state(opened, 'results');
      await input(opened).press('Enter');
      await input(opened).press('Enter');
      await opened.waitForURL('**/guide/pointers/');
    },
    { script: withFake.replace('event.preventDefault();', '') },
  ));

test('stale_answer_is_dropped_and_its_search_aborted', () =>
  onPage(one, async (opened) => {
    await opened.evaluate(() => (fakes[0].delay = (query) => (query === 'install' ? 600 : 0)));
    await input(opened).fill('install');
    await opened.waitForFunction(() => fakes[0].asked.length === 1);
    await input(opened).fill('smart');
    await state(opened, 'results');
    await opened.waitForTimeout(700);
    assert.deepEqual(await opened.getByRole('option').locator('[part=hit-title]').allInnerTexts(), ['Smart pointers']);
    assert.equal(await opened.evaluate(() => fakes[0].aborted), 1);
  }));

test('space_finishes_the_last_word', () =>
  onPage(one, async (opened) => {
    const last = () => opened.evaluate(() => ({ query: fakes[0].asked.at(-1).query, prefix: fakes[0].asked.at(-1).options.prefix }));
    const asked = (count) => opened.waitForFunction((count) => fakes[0].asked.length === count, count);
    await input(opened).fill('insta');
    await asked(1);
    assert.deepEqual(await last(), { query: 'insta', prefix: true });
    await input(opened).fill('install ');
    await asked(2);
    assert.deepEqual(await last(), { query: 'install', prefix: false });
  }));

test('selected_result_stays_selected_where_it_is_found_again', () =>
  onPage(one, async (opened) => {
    await input(opened).fill('instal');
    await state(opened, 'results');
    await input(opened).press('ArrowDown');
    await input(opened).press('ArrowDown');
    await opened.evaluate(() => (globalThis.answered = ''));
    await input(opened).fill('install');
    await opened.waitForFunction(() => globalThis.answered === 'install');
    assert.equal(await active(opened), await input(opened).getAttribute('aria-activedescendant'));
    assert.ok(await active(opened));
  }));

test('fast_typing_asks_once_with_prefix_and_limit', () =>
  onPage('<coracle-search limit="2" mode="keyword" filter=\'{"lang":"en"}\'></coracle-search>', async (opened) => {
    await input(opened).evaluate((field) => {
      for (const letter of 'install') {
        field.value += letter;
        field.dispatchEvent(new InputEvent('input'));
      }
    });
    await state(opened, 'results');
    const asked = await opened.evaluate(() => fakes[0].asked);
    const options = { limit: 2, offset: 0, prefix: true, mode: 'keyword', filter: { lang: 'en' } };
    assert.deepEqual(asked, [{ query: 'install', options }]);
  }));

test('more_button_appends_results_and_selects_the_first_new_one', () =>
  onPage('<coracle-search limit="2"></coracle-search>', async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'results');
    assert.equal(await opened.getByRole('option').count(), 2);
    await opened.getByRole('button', { name: 'More results' }).click();
    await opened.waitForFunction(() => fakes[0].asked.length === 2);
    await state(opened, 'results');
    assert.equal(await opened.getByRole('option').count(), 4);
    assert.match(await active(opened), /-hit-2$/);
    assert.ok(await opened.getByRole('button', { name: 'More results' }).isHidden());
  }));

test('live_region_tells_count_correction_and_nothing_found', () =>
  onPage(one, async (opened) => {
    const heard = (text) => opened.waitForFunction(
      (wanted) => [...document.querySelector('coracle-search').shadowRoot.querySelectorAll('[aria-live]')].some((region) => region.textContent.includes(wanted)),
      text,
    );
    await input(opened).fill('install');
    await heard('4 results');
    await input(opened).fill('smrt pointer');
    await heard('1 result. Showing results for smart pointer');
    assert.equal(await opened.locator('[part=notice] strong').innerText(), 'smart');
    await input(opened).fill('zebra');
    await heard('Nothing found for “zebra”');
    await state(opened, 'empty');
  }));

test('degraded_answer_says_so_above_the_results', () =>
  onPage(one, async (opened) => {
    await input(opened).fill('install degraded');
    await state(opened, 'results');
    assert.equal(await opened.locator('[part=notice]').innerText(), 'Searched by words only, not by meaning.');
  }));

test('failure_is_shown_and_retry_recovers', () =>
  onPage(one, async (opened) => {
    await opened.evaluate(() => (fakes[0].failing = true));
    await input(opened).fill('install');
    await state(opened, 'error');
    assert.match(await opened.locator('[part=message]').innerText(), /Search is not available\s+the file postings was not found/);
    await opened.evaluate(() => (fakes[0].failing = false));
    await opened.getByRole('button', { name: 'Try again' }).click();
    await state(opened, 'results');
  }));

test('hostile_document_text_is_inert', () =>
  onPage(one, async (opened) => {
    await input(opened).fill('hostile');
    await state(opened, 'results');
    const hit = opened.getByRole('option');
    assert.equal(await hit.count(), 1);
    assert.match(await hit.innerText(), /<img src=x onerror=.*<script>document.title="owned"<\/script>.*<b>text<\/b>/s);
    assert.equal(await hit.locator('img, script, b').count(), 0);
    assert.equal(await hit.getAttribute('href'), null);
    await hit.click();
    assert.equal(await opened.title(), 'Test page');
  }));

test('two_elements_on_a_page_do_not_disturb_each_other', () =>
  onPage(one + one, async (opened) => {
    const [first, second] = await input(opened).all();
    await first.fill('install');
    await opened.waitForSelector('coracle-search:nth-of-type(1)[state=results]');
    await second.fill('smart');
    await opened.waitForSelector('coracle-search:nth-of-type(2)[state=results]');
    assert.ok(await opened.locator('coracle-search').nth(0).locator('[part=panel]').isHidden());
    assert.equal(await opened.getByRole('option').count(), 1);
    const ids = await opened.evaluate(() =>
      [...document.querySelectorAll('coracle-search')].flatMap((field) => [...field.shadowRoot.querySelectorAll('[id]')].map(({ id }) => id)),
    );
    assert.equal(new Set(ids).size, ids.length);
  }));

test('hotkey_focuses_the_field_but_not_while_typing_elsewhere', () =>
  onPage('<input aria-label="Other"><coracle-search hotkey="/"></coracle-search>', async (opened) => {
    await opened.getByLabel('Other').press('/');
    assert.equal(await opened.getByLabel('Other').inputValue(), '/');
    await opened.evaluate(() => document.activeElement.blur());
    await opened.keyboard.press('/');
    assert.equal(await opened.evaluate(() => document.activeElement.localName), 'coracle-search');
    assert.equal(await input(opened).inputValue(), '');
  }));

test('strings_and_attributes_can_change_at_any_time', () =>
  onPage(one, async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'results');
    await opened.evaluate(() => {
      const field = document.querySelector('coracle-search');
      field.strings = { placeholder: 'Suchen', count: (shown, total) => `${shown} von ${total} Treffern` };
      field.setAttribute('limit', '3');
    });
    await opened.waitForFunction(() => document.querySelector('coracle-search').shadowRoot.querySelector('[part=count]').textContent === '3 von 4 Treffern');
    assert.equal(await input(opened).getAttribute('placeholder'), 'Suchen');
  }));

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_no_violation_in_any_state_${colorScheme}`, () =>
    onPage(
      one,
      async (opened) => {
        await opened.evaluate((scheme) => (document.documentElement.style.colorScheme = scheme), colorScheme);
        const violations = async () =>
          (await opened.evaluate(() => axe.run({ resultTypes: ['violations'] }))).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
        const check = async (name) => assert.deepEqual(await violations(), [], name);
        await opened.evaluate(axe);
        await check('idle');
        await input(opened).fill('install');
        await state(opened, 'results');
        await input(opened).press('ArrowDown');
        await check('results');
        await input(opened).fill('smrt degraded');
        await opened.waitForSelector('[part=notice] strong');
        await check('notice');
        await input(opened).fill('zebra');
        await state(opened, 'empty');
        await check('empty');
        await opened.evaluate(() => (fakes[0].failing = true));
        await input(opened).fill('install');
        await state(opened, 'error');
        await check('error');
      },
      { colorScheme },
    ));
}
