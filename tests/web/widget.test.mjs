// The element in a real browser, under the strictest policy it promises to work with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onSite, tireless } from './support/browser.mjs';
import { STRICT_POLICY } from './support/server.mjs';

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

const browser = tireless();
after(() => browser.close());

/** Opens a page with the given elements; `work` gets it, and no complaint may have come up after. */
function onPage(elements, work, { script = withFake, ...options } = {}) {
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: page(elements, script),
    headers: { 'content-security-policy': STRICT_POLICY },
  };
  return onSite(browser, site, options, async (opened, server, complaints) => {
    await opened.waitForFunction(() => globalThis.fakes);
    await work(opened, server);
    assert.deepEqual(complaints, []);
  });
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

/** Makes the first fake answer hybrid searches after those by words, with these documents, and takes notes. */
const slowly = (opened, keyword, hybrid, { delay = { keyword: 0, hybrid: 700 }, failing = false } = {}) =>
  opened.evaluate(
    ({ keyword, hybrid, delay, failing }) => {
      Object.assign(fakes[0], { order: { keyword, hybrid }, failing, delay: (query, mode) => delay[mode] });
      fakes[0].info.embedder = 'a model';
      globalThis.fired = [];
      for (const type of ['coracle-preview', 'coracle-results', 'coracle-error']) {
        document.addEventListener(type, ({ detail }) => fired.push([type, detail.mode, detail.degraded].filter(Boolean).join(' ')), true);
      }
    },
    { keyword, hybrid, delay, failing },
  );
const previewed = (opened) => opened.waitForFunction(() => fired.includes('coracle-preview keyword'));
const titles = (opened) => opened.locator('[part=hit-title]').allInnerTexts();
const fired = (opened) => opened.evaluate(() => globalThis.fired);
const box = (opened, title) => opened.getByRole('option').filter({ hasText: title }).boundingBox();
/** Marks the rows' nodes; `remembered` lists which of those there are now. */
const remember = (opened) => opened.getByRole('option').evaluateAll((rows) => rows.forEach((row, at) => (row.seen = at)));
const remembered = (opened) => opened.getByRole('option').evaluateAll((rows) => rows.map(({ seen }) => seen ?? null));

test('preview_by_words_becomes_the_whole_answer', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha', 'beta', 'gamma'], ['gamma', 'delta', 'alpha:Newer text']);
    await input(opened).fill('greek');
    await previewed(opened);
    assert.deepEqual(await titles(opened), ['alpha', 'beta', 'gamma']);
    assert.equal(await opened.locator('coracle-search').getAttribute('state'), 'loading');
    assert.equal(await input(opened).getAttribute('aria-busy'), 'true');
    assert.equal(await input(opened).getAttribute('aria-expanded'), 'true');
    assert.equal(await opened.locator('[part=count]').innerText(), 'Searching');
    await remember(opened);
    await state(opened, 'results');
    assert.deepEqual(await titles(opened), ['gamma', 'delta', 'alpha']);
    assert.deepEqual(await remembered(opened), [2, null, 0]);
    assert.equal(await opened.locator('[part=hit-excerpt]').last().innerText(), 'Newer text');
    assert.equal(await input(opened).getAttribute('aria-busy'), 'false');
    assert.equal(await opened.locator('[part=count]').innerText(), '3 results');
    assert.deepEqual(await fired(opened), ['coracle-preview keyword', 'coracle-results hybrid']);
    const places = await opened.getByRole('option').evaluateAll((rows) => rows.map(({ id, ariaPosInSet }) => `${id.split('-').at(-1)} ${ariaPosInSet}`));
    assert.deepEqual(places, ['0 1', '1 2', '2 3']);
  }));

/** Searches, aims at a row of the preview, and waits for the whole answer. Returns where the row was. */
async function aimedAt(opened, row) {
  await slowly(opened, ['alpha', 'beta', 'gamma', 'delta'], ['gamma', 'beta:Newer text', 'epsilon']);
  await input(opened).fill('greek');
  await previewed(opened);
  await opened.getByRole('option').filter({ hasText: row }).hover();
  await remember(opened);
  const before = await box(opened, row);
  await state(opened, 'results');
  return before;
}

test('row_under_the_pointer_and_those_above_it_stay', () =>
  onPage(one, async (opened) => {
    const before = await aimedAt(opened, 'beta');
    assert.deepEqual(await titles(opened), ['alpha', 'beta', 'gamma', 'epsilon']);
    assert.deepEqual(await remembered(opened), [0, 1, 2, null]);
    assert.deepEqual(await box(opened, 'beta'), before);
    assert.equal(await opened.locator('[part=hit-excerpt]').nth(1).innerText(), 'About beta.');
    await opened.mouse.down();
    await opened.mouse.up();
    assert.deepEqual(await opened.evaluate('selected'), ['beta']);
  }));

test('selected_row_of_a_preview_stays_and_opens', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha', 'beta', 'gamma'], ['delta', 'gamma', 'alpha']);
    await input(opened).fill('greek');
    await previewed(opened);
    await input(opened).press('ArrowDown');
    await input(opened).press('ArrowDown');
    const chosen = await active(opened);
    await state(opened, 'results');
    assert.deepEqual(await titles(opened), ['alpha', 'beta', 'delta', 'gamma']);
    assert.equal(await active(opened), chosen);
    assert.equal(await input(opened).getAttribute('aria-activedescendant'), chosen);
    await input(opened).press('Enter');
    assert.deepEqual(await opened.evaluate('selected'), ['beta']);
  }));

test('more_results_behind_a_kept_row_leave_out_and_repeat_nothing', () =>
  onPage('<coracle-search limit="2"></coracle-search>', async (opened) => {
    await slowly(opened, ['delta', 'beta'], ['alpha', 'beta', 'gamma', 'delta', 'epsilon']);
    await input(opened).fill('greek');
    await previewed(opened);
    assert.ok(await opened.getByRole('button', { name: 'More results' }).isHidden());
    await input(opened).press('ArrowDown');
    await state(opened, 'results');
    assert.deepEqual(await titles(opened), ['delta', 'alpha', 'beta']);
    for (const count of [4, 5]) {
      await opened.getByRole('button', { name: 'More results' }).click();
      await opened.waitForFunction((count) => document.querySelector('coracle-search').shadowRoot.querySelectorAll('[role=option]').length === count, count);
    }
    assert.deepEqual(await titles(opened), ['delta', 'alpha', 'beta', 'gamma', 'epsilon']);
    assert.match(await active(opened), /-hit-4$/);
    const offsets = await opened.evaluate(() => fakes[0].asked.map(({ options }) => `${options.mode ?? ''} ${options.offset}`));
    assert.deepEqual(offsets, [' 0', 'keyword 0', ' 2', ' 4']);
  }));

test('panel_keeps_its_height_when_the_whole_answer_has_fewer_rows', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha', 'beta', 'gamma', 'delta'], ['gamma']);
    await input(opened).fill('greek');
    await previewed(opened);
    const before = await opened.locator('[part=panel]').boundingBox();
    await state(opened, 'results');
    assert.deepEqual(await titles(opened), ['gamma']);
    assert.deepEqual(await opened.locator('[part=panel]').boundingBox(), before);
  }));

for (const [name, delay, aborted] of [
  ['first', { keyword: 400, hybrid: 0 }, 1],
  ['soon_after', { keyword: 0, hybrid: 50 }, 0],
]) {
  test(`whole_answer_that_comes_${name}_has_no_preview`, () =>
    onPage(one, async (opened) => {
      await slowly(opened, ['alpha'], ['beta'], { delay });
      await input(opened).fill('greek');
      await state(opened, 'results');
      await opened.waitForTimeout(600);
      assert.deepEqual(await titles(opened), ['beta']);
      assert.deepEqual(await fired(opened), ['coracle-results hybrid']);
      assert.equal(await opened.evaluate(() => fakes[0].aborted), aborted);
    }));
}

test('typing_on_ends_both_searches', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha'], ['beta'], { delay: { keyword: 600, hybrid: 900 } });
    await input(opened).fill('gre');
    await opened.waitForFunction(() => fakes[0].asked.length === 2);
    await opened.evaluate(() => (fakes[0].delay = (query, mode) => (mode === 'keyword' ? 0 : 400)));
    await input(opened).fill('greek');
    await state(opened, 'results');
    await opened.waitForTimeout(1000);
    assert.equal(await opened.evaluate(() => fakes[0].aborted), 2);
    assert.deepEqual(await fired(opened), ['coracle-preview keyword', 'coracle-results hybrid']);
  }));

test('only_the_whole_answer_is_spoken', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha'], ['alpha', 'beta'], { delay: { keyword: 0, hybrid: 1200 } });
    await opened.evaluate(() => {
      globalThis.spoken = [];
      const { shadowRoot } = document.querySelector('coracle-search');
      for (const region of shadowRoot.querySelectorAll('[aria-live]')) {
        new MutationObserver(() => region.textContent && spoken.push(region.textContent)).observe(region, { childList: true });
      }
    });
    await input(opened).fill('greek');
    await state(opened, 'results');
    await opened.waitForFunction(() => spoken.length > 0);
    assert.deepEqual(await fired(opened), ['coracle-preview keyword', 'coracle-results hybrid']);
    assert.deepEqual(await opened.evaluate('spoken'), ['2 results']);
  }));

test('nothing_found_by_words_is_not_shown_before_the_whole_answer', () =>
  onPage(one, async (opened) => {
    await slowly(opened, [], ['alpha']);
    await input(opened).fill('greek');
    await opened.waitForTimeout(400);
    assert.equal(await opened.locator('coracle-search').getAttribute('state'), 'loading');
    assert.ok(await opened.locator('[part=panel]').isHidden());
    await state(opened, 'results');
    assert.deepEqual(await fired(opened), ['coracle-results hybrid']);
  }));

test('list_closed_during_a_preview_stays_closed', () =>
  onPage(one, async (opened) => {
    await slowly(opened, ['alpha'], ['beta']);
    await input(opened).fill('greek');
    await previewed(opened);
    await input(opened).press('Escape');
    await state(opened, 'results');
    assert.ok(await opened.locator('[part=panel]').isHidden());
    assert.equal(await input(opened).getAttribute('aria-expanded'), 'false');
    await input(opened).press('ArrowDown');
    assert.deepEqual(await titles(opened), ['beta']);
  }));

for (const [name, delay, events] of [
  ['after', { keyword: 0, hybrid: 700 }, ['coracle-preview keyword', 'coracle-results keyword keyword-only']],
  ['before', { keyword: 300, hybrid: 0 }, ['coracle-results keyword keyword-only']],
]) {
  test(`results_by_words_stand_in_for_a_whole_search_that_fails_${name}_them`, () =>
    onPage(one, async (opened) => {
      await slowly(opened, ['alpha', 'beta'], [], { delay, failing: 'hybrid' });
      await input(opened).fill('greek');
      if (name === 'after') await previewed(opened);
      const before = name === 'after' && (await box(opened, 'beta'));
      await state(opened, 'results');
      assert.deepEqual(await titles(opened), ['alpha', 'beta']);
      assert.equal(await opened.locator('[part=notice]').innerText(), 'Searched by words only, not by meaning.');
      if (before) assert.deepEqual(await box(opened, 'beta'), before);
      assert.deepEqual(await fired(opened), events);
    }));
}

test('search_by_words_that_fails_is_passed_over', () =>
  onPage(one, async (opened) => {
    await slowly(opened, [], ['alpha'], { failing: 'keyword' });
    await input(opened).fill('greek');
    await state(opened, 'results');
    assert.deepEqual(await fired(opened), ['coracle-results hybrid']);
  }));

test('failure_without_results_by_words_is_shown', () =>
  onPage(one, async (opened) => {
    await slowly(opened, [], [], { failing: 'hybrid' });
    await input(opened).fill('greek');
    await state(opened, 'error');
    assert.deepEqual(await fired(opened), ['coracle-error']);
  }));

for (const mode of ['keyword', 'vector']) {
  test(`mode_${mode}_is_searched_alone`, () =>
    onPage(`<coracle-search mode="${mode}"></coracle-search>`, async (opened) => {
      await slowly(opened, ['alpha'], ['alpha']);
      await input(opened).fill('install');
      await opened.waitForFunction(() => fakes[0].asked.length > 0);
      assert.deepEqual(await opened.evaluate(() => fakes[0].asked.map(({ options }) => options.mode)), [mode]);
    }));
}

const rows = (opened) =>
  opened.getByRole('option').evaluateAll((rows) => rows.map((row) => `${row.part[0]} ${row.querySelector('[part$=-title], [part$=-headings]').textContent}`));
const withSections = '<coracle-search sections="2"></coracle-search>';

test('sections_stand_below_their_document_and_lead_to_their_heading', () =>
  onPage(withSections, async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'results');
    assert.equal(await opened.evaluate(() => fakes[0].asked[0].options.sections), 2);
    assert.deepEqual((await rows(opened)).slice(0, 4), ['hit Installing the tool', 'section install windows', 'section install mac', 'hit Smart pointers']);
    const section = opened.getByRole('option').nth(1);
    assert.match(await section.getAttribute('href'), /\/guide\/install\/#windows$/);
    assert.equal(await section.locator('mark').first().innerText(), 'install');
    // A title and an address stand in the row of the document alone.
    assert.equal(await section.locator('[part=hit-title], [part=hit-url]').count(), 0);
    assert.equal(await opened.locator('[part=count]').innerText(), '4 results');
    const places = await opened.getByRole('option').evaluateAll((rows) => rows.map(({ ariaPosInSet, ariaSetSize }) => `${ariaPosInSet}/${ariaSetSize}`));
    assert.deepEqual(places, ['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    const ids = await opened.getByRole('option').evaluateAll((rows) => rows.map(({ id }) => id));
    assert.equal(new Set(ids).size, 6);
    for (const id of ids.slice(0, 3)) {
      await input(opened).press('ArrowDown');
      assert.equal(await active(opened), id);
    }
    assert.equal(await section.getAttribute('part'), 'section');
    assert.equal(await opened.getByRole('option').nth(2).getAttribute('part'), 'section hit-active');
    const heard = await opened.evaluate(
      () => new Promise((resolve) => document.addEventListener('coracle-select', ({ detail }) => resolve([detail.id, detail.url, detail.anchor]), { once: true, capture: true }) ?? document.querySelector('coracle-search').shadowRoot.querySelector('[aria-selected=true]').click()),
    );
    assert.deepEqual(heard, ['install', '/guide/install/', 'mac']);
    await input(opened).press('ArrowUp');
    await input(opened).press('ArrowUp');
    assert.equal(await active(opened), ids.at(-1));
  }));

test('sections_are_asked_for_where_the_attribute_says_so_and_at_most_five', () =>
  onPage(one, async (opened) => {
    const asked = (count) => opened.waitForFunction((count) => fakes[0].asked.length === count, count);
    await input(opened).fill('install');
    await asked(1);
    let count = 1;
    for (const value of ['9', '0', 'many']) {
      await opened.evaluate((value) => document.querySelector('coracle-search').setAttribute('sections', value), value);
      await asked((count += 1));
    }
    assert.deepEqual(await opened.evaluate(() => fakes[0].asked.map(({ options }) => options.sections ?? null)), [null, 5, null, null]);
  }));

test('section_under_the_pointer_and_all_rows_of_its_document_stay', () =>
  onPage(withSections, async (opened) => {
    const before = await aimedAt(opened, 'beta one');
    const names = ['alpha', 'beta', 'gamma', 'epsilon'].flatMap((name) => [`hit ${name}`, `section ${name} one`, `section ${name} two`]);
    assert.deepEqual(await rows(opened), names);
    assert.deepEqual((await remembered(opened)).slice(0, 7), [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await box(opened, 'beta one'), before);
    await opened.mouse.down();
    await opened.mouse.up();
    assert.deepEqual(await opened.evaluate('selected'), ['beta']);
  }));

test('selected_section_of_a_preview_stays_and_more_results_follow', () =>
  onPage('<coracle-search sections="1" limit="2"></coracle-search>', async (opened) => {
    await slowly(opened, ['delta', 'beta'], ['alpha', 'beta', 'gamma', 'delta', 'epsilon']);
    await input(opened).fill('greek');
    await previewed(opened);
    await input(opened).press('ArrowDown');
    await input(opened).press('ArrowDown');
    const chosen = await active(opened);
    await state(opened, 'results');
    assert.equal(await active(opened), chosen);
    assert.deepEqual(await titles(opened), ['delta', 'alpha', 'beta']);
    await opened.getByRole('button', { name: 'More results' }).click();
    await opened.waitForFunction(() => document.querySelector('coracle-search').shadowRoot.querySelectorAll('[role=option]').length === 8);
    assert.deepEqual(await titles(opened), ['delta', 'alpha', 'beta', 'gamma']);
    // The first new row.
    assert.match(await active(opened), /-hit-6$/);
    const order = await opened.getByRole('option').evaluateAll((rows) => rows.map(({ ariaPosInSet }) => Number(ariaPosInSet)));
    assert.deepEqual(order, [1, 2, 3, 4, 5, 6, 7, 8]);
  }));

test('sections_are_indented_at_the_beginning_of_lines_in_either_direction', () =>
  onPage(withSections, async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'results');
    const edges = () =>
      opened.getByRole('option').evaluateAll(([hit, section]) => {
        const [outer, inner] = [hit, section].map((row) => row.getBoundingClientRect());
        return [inner.left - outer.left, outer.right - inner.right].map(Math.round);
      });
    const [start, end] = await edges();
    assert.ok(start > 8 && end === 0, `${start} ${end}`);
    await opened.evaluate(() => (document.documentElement.dir = 'rtl'));
    assert.deepEqual(await edges(), [end, start]);
  }));

test('similar_words_are_offered_spoken_and_searched_for_where_nothing_was_found', () =>
  onPage(one, async (opened) => {
    await opened.evaluate(() => (fakes[0].suggestions = ['install', '<b>pointer</b>']));
    await input(opened).fill('instlal');
    await state(opened, 'empty');
    const message = opened.locator('[part=message]');
    assert.match(await message.innerText(), /^Nothing found for “instlal”\s+Try fewer or other words\.\s+Similar words:\s+install\s+<b>pointer<\/b>$/);
    await opened.waitForFunction(() =>
      [...document.querySelector('coracle-search').shadowRoot.querySelectorAll('[aria-live]')].some(({ textContent }) => textContent.endsWith('Similar words: install <b>pointer</b>')),
    );
    // By the keyboard: past the button that empties the field.
    await opened.keyboard.press('Tab');
    await opened.keyboard.press('Tab');
    assert.equal(await opened.evaluate(() => document.activeElement.shadowRoot.activeElement.textContent), 'install');
    await opened.keyboard.press('Enter');
    await state(opened, 'results');
    assert.equal(await input(opened).inputValue(), 'install');
    assert.equal(await opened.evaluate(() => document.activeElement.shadowRoot.activeElement.getAttribute('part')), 'input');
    assert.ok(await opened.locator('[part=suggestions]').isHidden());
  }));

test('filter_that_leaves_nothing_is_named', () =>
  onPage(`<coracle-search filter='{"field":{"name":"section","in":["none"]}}'></coracle-search>`, async (opened) => {
    await input(opened).fill('install');
    await state(opened, 'empty');
    assert.match(await opened.locator('[part=message]').innerText(), /^Nothing found for “install”\s+The filters leave no result\.$/);
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
        await opened.evaluate(() => document.querySelector('coracle-search').setAttribute('sections', '3'));
        await input(opened).fill('install');
        await opened.waitForFunction(() => globalThis.answered === 'install');
        await input(opened).press('ArrowDown');
        await input(opened).press('ArrowDown');
        await check('sections');
        await opened.evaluate(() => (fakes[0].suggestions = ['install', 'pointer']));
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
