// The elements that stand beside a search field: results in the page, filters with counts, one place for
// attributes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onSite, tireless } from './support/browser.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = tireless();
after(() => browser.close());

const whole = '<coracle-search></coracle-search><coracle-facets fields="section tags"></coracle-facets><coracle-results></coracle-results>';

/** Opens a page with the elements; `more` is added to their script. */
function onPage(elements, work, { script = '', html = 'lang="en"', scripts = ['search', 'parts'], ...options } = {}) {
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: {
      '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><meta name="color-scheme" content="light dark">
        ${scripts.map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('')}
        <script type="module" src="/test.js"></script></head><body><main><h1>Test page</h1>${elements}</main></body></html>`,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        globalThis.FakeIndex = FakeIndex;
        globalThis.fakes = [...document.querySelectorAll('coracle-search')].map((field) => (field.index = new FakeIndex()));
        globalThis.selected = [];
        globalThis.filters = [];
        addEventListener('coracle-select', (event) => (selected.push(event.detail.id), event.preventDefault()));
        addEventListener('coracle-filter', (event) => filters.push(event.detail));${script}`,
    },
    headers: { 'content-security-policy': STRICT_POLICY },
  };
  return onSite(browser, site, options, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.fakes);
    await work(page, server);
    assert.deepEqual(complaints, []);
  });
}

const field = (page) => page.getByRole('searchbox');
const state = (page, wanted) => page.waitForSelector(`coracle-search[state=${wanted}]`);
const titles = (page) => page.locator('coracle-results [part=hit-title]').allInnerTexts();
const shows = (page, expected) =>
  page.waitForFunction(
    (expected) => [...document.querySelector('coracle-results').shadowRoot.querySelectorAll('[part=hit-title]')].map(({ textContent }) => textContent).join() === expected,
    expected.join(),
  );
const focused = (page) => page.evaluate(() => (document.activeElement.shadowRoot?.activeElement ?? document.activeElement).textContent || document.activeElement.localName);
const all = ['Installing the tool', 'Smart pointers', `<img src=x onerror="document.title='owned'"> Hostile title`, 'Elsewhere'];
/** What the filters show: values, counts, and which are chosen. */
const counts = (page) =>
  page.locator('coracle-facets [part=value]').evaluateAll((rows) =>
    rows.filter((row) => row.checkVisibility()).map((row) => `${row.querySelector('input').checked ? '+' : ''}${row.querySelector('[part=name]').textContent} ${row.querySelector('[part=number]').textContent}`),
  );
const counted = (page, expected) => page.waitForFunction(
  (expected) => [...document.querySelector('coracle-facets').shadowRoot.querySelectorAll('[part=value]')].map((row) => `${row.querySelector('input').checked ? '+' : ''}${row.querySelector('[part=name]').textContent} ${row.querySelector('[part=number]').textContent}`).join() === expected,
  expected.join(),
);

test('results_stand_in_the_page_instead_of_the_panel', () =>
  onPage(whole, async (page) => {
    await field(page).fill('install');
    await shows(page, all);
    assert.ok(await page.locator('coracle-search [part=panel]').isHidden());
    assert.equal(await page.getByRole('combobox').count(), 0);
    assert.equal(await page.getByRole('list', { name: 'Results' }).getByRole('listitem').count(), 4);
    // What leads nowhere is no link.
    assert.equal(await page.getByRole('list', { name: 'Results' }).getByRole('link').count(), 3);
    assert.equal(await page.locator('coracle-results [part=count]').innerText(), '4 results');
    assert.match(await page.getByRole('link', { name: /^Installing/ }).getAttribute('href'), /\/guide\/install\/#linux$/);
    assert.equal(await page.evaluate(() => document.title), 'Test page');
    await field(page).fill('smrt degraded');
    await shows(page, ['Smart pointers']);
    assert.match(await page.locator('coracle-results [part=notice]').innerText(), /^Showing results for smart degraded\s+Searched by words only/);
    await field(page).fill('zebra');
    await page.getByText('Nothing found for “zebra”').last().waitFor();
    await field(page).fill('');
    await state(page, 'idle');
    await shows(page, []);
    await page.evaluate(() => (fakes[0].failing = true));
    await field(page).fill('install');
    await page.locator('coracle-results').getByText('Search is not available').waitFor();
    await page.evaluate(() => (fakes[0].failing = false));
    await page.locator('coracle-results').getByRole('button', { name: 'Try again' }).click();
    await shows(page, all);
  }));

test('keys_lead_from_the_field_through_the_results_and_back', () =>
  onPage(whole, async (page) => {
    await field(page).fill('install');
    await shows(page, all);
    await field(page).press('ArrowDown');
    assert.match(await focused(page), /^Installing/);
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(page), /^Smart/);
    await page.keyboard.press('End');
    assert.match(await focused(page), /^Elsewhere/);
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(page), /^Elsewhere/);
    await page.keyboard.press('Enter');
    assert.deepEqual(await page.evaluate(() => selected), ['elsewhere']);
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowUp');
    assert.equal(await focused(page), 'coracle-search');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), 'coracle-search');
    assert.equal(await field(page).inputValue(), 'install');
  }));

test('more_results_are_appended_and_the_first_of_them_has_the_focus', () =>
  onPage('<coracle-search limit="2"></coracle-search><coracle-results></coracle-results>', async (page) => {
    await field(page).fill('install');
    await shows(page, all.slice(0, 2));
    assert.equal(await page.locator('coracle-results [part=count]').innerText(), '2 of 4 results');
    await page.getByRole('button', { name: 'More results' }).last().click();
    await shows(page, all);
    // The one before it leads nowhere.
    assert.match(await focused(page), /^Elsewhere/);
    assert.equal(await page.getByRole('button', { name: 'More results' }).count(), 0);
  }));

/** Searches; rows by words are there, and the whole answer comes later. */
async function previewed(page) {
  await page.evaluate(() => {
    fakes[0].info.embedder = 'fake';
    fakes[0].order = { keyword: ['alpha', 'beta', 'gamma'], hybrid: ['gamma', 'delta', 'beta'] };
    fakes[0].delay = (_, mode) => (mode === 'keyword' ? 0 : 900);
  });
  await field(page).fill('greek');
  await shows(page, ['alpha', 'beta', 'gamma']);
}

test('whole_answer_moves_no_row_that_has_the_focus', () =>
  onPage('<coracle-search></coracle-search><coracle-results></coracle-results>', async (page) => {
    await previewed(page);
    await field(page).press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(page), /^beta/);
    await state(page, 'results');
    await shows(page, ['alpha', 'beta', 'gamma', 'delta']);
    assert.match(await focused(page), /^beta/);
  }));

test('sections_are_rows_of_the_list_and_keep_the_focus', () =>
  onPage('<coracle-search sections="2"></coracle-search><coracle-results></coracle-results>', async (page) => {
    await previewed(page);
    const list = page.getByRole('list', { name: 'Results' });
    assert.equal(await list.getByRole('listitem').count(), 9);
    for (const name of [/^alpha/, /^alpha one/, /^alpha two/]) {
      await page.keyboard.press('ArrowDown');
      assert.match(await focused(page), name);
    }
    await state(page, 'results');
    await shows(page, ['alpha', 'gamma', 'delta', 'beta']);
    assert.match(await focused(page), /^alpha two/);
    const parts = await list.getByRole('link').evaluateAll((rows) => rows.map((row) => row.getAttribute('part')));
    assert.deepEqual(parts, Array(4).fill(['hit', 'section', 'section']).flat());
    assert.match(await list.getByRole('link').nth(2).getAttribute('href'), /\/alpha\/#two$/);
    await page.keyboard.press('Enter');
    assert.deepEqual(await page.evaluate(() => selected), ['alpha']);
    await page.keyboard.press('ArrowDown');
    assert.match(await focused(page), /^gamma/);
  }));

test('similar_words_lead_back_to_the_field', () =>
  onPage('<coracle-search></coracle-search><coracle-results></coracle-results>', async (page) => {
    await page.evaluate(() => (fakes[0].suggestions = ['install']));
    await field(page).fill('instlal');
    await page.locator('coracle-results').getByRole('button', { name: 'install' }).click();
    await shows(page, all);
    assert.equal(await field(page).inputValue(), 'install');
    assert.equal(await focused(page), 'coracle-search');
  }));

test('values_are_counted_chosen_and_cleared', () =>
  onPage(whole, async (page) => {
    await field(page).fill('install');
    await counted(page, ['guide 1', 'reference 1', 'tool 2', 'linux 1']);
    await page.getByRole('checkbox', { name: 'linux' }).check();
    await shows(page, ['Installing the tool']);
    // Other values of the same field would bring more; those of another field only what is left.
    await counted(page, ['guide 1', 'reference 0', 'tool 2', '+linux 1']);
    await page.getByRole('checkbox', { name: 'tool' }).check();
    await shows(page, all.slice(0, 2));
    await page.getByRole('checkbox', { name: 'reference' }).check();
    await shows(page, ['Smart pointers']);
    await counted(page, ['guide 1', '+reference 1', '+tool 1', '+linux 0']);
    assert.deepEqual(await page.evaluate(() => filters.at(-1)), {
      and: [{ field: { name: 'tags', in: ['linux', 'tool'] } }, { field: { name: 'section', in: ['reference'] } }],
    });
    // Choices hold for the next query, even one that they leave nothing of.
    await field(page).fill('clone');
    await page.getByText('Nothing found').last().waitFor();
    assert.ok((await counts(page)).includes('+reference 0'));
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await shows(page, ['Installing the tool']);
    assert.equal(await page.getByRole('button', { name: 'Clear filters' }).count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.localName), 'coracle-facets');
    assert.equal(await page.evaluate(() => filters.at(-1) ?? null), null);
  }));

test('filters_work_by_keyboard_and_keep_the_focus', () =>
  onPage(whole, async (page) => {
    await field(page).fill('install');
    await counted(page, ['guide 1', 'reference 1', 'tool 2', 'linux 1']);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await shows(page, ['Installing the tool']);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await shows(page, all.slice(0, 2));
    assert.equal(await page.evaluate(() => document.activeElement.localName), 'coracle-facets');
  }));

test('filter_of_the_field_holds_beside_what_is_chosen', () =>
  onPage(
    `<coracle-search filter='{"and":[{"field":{"name":"tags","in":["tool"]}}]}'></coracle-search><coracle-facets fields="section" labels='{"section":"Part"}'></coracle-facets><coracle-results></coracle-results>`,
    async (page) => {
      await field(page).fill('install');
      await shows(page, all.slice(0, 2));
      assert.ok(await page.getByRole('group', { name: 'Part' }).isVisible());
      await page.getByRole('checkbox', { name: 'guide' }).check();
      await shows(page, ['Installing the tool']);
      assert.equal(await page.evaluate(() => fakes[0].asked.at(-1).options.filter.and.length >= 1), true);
      await page.evaluate(() => document.querySelector('coracle-facets').remove());
      await shows(page, all.slice(0, 2));
    },
  ));

test('many_values_hide_behind_a_button', () =>
  onPage('<coracle-search></coracle-search><coracle-facets fields="tags" limit="1"></coracle-facets><coracle-results></coracle-results>', async (page) => {
    await field(page).fill('install');
    await counted(page, ['tool 2', 'linux 1']);
    assert.deepEqual(await counts(page), ['tool 2']);
    const button = page.getByRole('button', { name: 'Show all' });
    assert.equal(await button.getAttribute('aria-expanded'), 'false');
    await button.click();
    assert.deepEqual(await counts(page), ['tool 2', 'linux 1']);
    await page.getByRole('checkbox', { name: 'linux' }).check();
    await page.getByRole('button', { name: 'Show fewer' }).click();
    assert.deepEqual(await counts(page), ['tool 2', '+linux 1']);
  }));

test('instances_keep_to_themselves_and_late_fields_are_met', () =>
  onPage(
    `<coracle-search instance="a" label="A"></coracle-search><coracle-results instance="a" label="RA"></coracle-results>
     <coracle-search label="B"></coracle-search><coracle-results instance="late" label="RL"></coracle-results>`,
    async (page) => {
      await page.getByRole('searchbox', { name: 'A' }).fill('pointer');
      await page.getByRole('list', { name: 'RA' }).getByRole('link').waitFor();
      assert.equal(await page.getByRole('list', { name: 'RL' }).count(), 0);
      await page.getByRole('combobox', { name: 'B' }).fill('install');
      await page.getByRole('option').first().waitFor();
      assert.equal(await page.getByRole('list', { name: 'RA' }).getByRole('link').count(), 1);
      await page.evaluate(() => {
        const late = document.createElement('coracle-search');
        late.setAttribute('instance', 'late');
        late.setAttribute('label', 'L');
        late.index = new FakeIndex();
        document.querySelector('main').append(late);
      });
      await page.getByRole('searchbox', { name: 'L' }).fill('install');
      await page.getByRole('list', { name: 'RL' }).getByRole('link').first().waitFor();
      // Without its results, the field has its panel again.
      await page.evaluate(() => document.querySelector('coracle-results[instance=a]').remove());
      await page.getByRole('combobox', { name: 'A' }).fill('install');
      await page.getByRole('option').first().waitFor();
    },
  ));

test('config_hands_attributes_on_and_takes_them_back', () =>
  onPage(
    `<coracle-config instance="x" src="/other/" limit="2" theme="dark" api="/answers/query"></coracle-config><coracle-search></coracle-search>
     <coracle-search instance="x" id="one"></coracle-search><coracle-search instance="x" id="two" limit="5"></coracle-search><coracle-ask instance="x"></coracle-ask>`,
    async (page) => {
      const attributes = (selector, ...names) => page.evaluate(([selector, names]) => names.map((name) => document.querySelector(selector).getAttribute(name)), [selector, names]);
      assert.deepEqual(await attributes('#one', 'src', 'limit', 'theme'), ['/other/', '2', 'dark']);
      assert.deepEqual(await attributes('#two', 'src', 'limit'), ['/other/', '5']);
      assert.deepEqual(await attributes('coracle-ask', 'api', 'theme'), ['/answers/query', 'dark']);
      assert.deepEqual(await attributes('coracle-search', 'src', 'limit'), [null, null]);
      assert.ok(await page.locator('coracle-config').isHidden());
      await page.evaluate(() => {
        const config = document.querySelector('coracle-config');
        config.setAttribute('limit', '3');
        config.removeAttribute('theme');
        const late = document.createElement('coracle-search');
        Object.assign(late, { id: 'late' }).setAttribute('instance', 'x');
        document.body.append(late);
      });
      await page.waitForSelector('#late[limit="3"]');
      assert.deepEqual(await attributes('#one', 'limit', 'theme'), ['3', null]);
      assert.deepEqual(await attributes('#two', 'limit'), ['5']);
      await page.evaluate(() => document.querySelector('coracle-config').remove());
      assert.deepEqual(await attributes('#one', 'src', 'limit'), [null, null]);
      assert.deepEqual(await attributes('#two', 'src', 'limit'), [null, '5']);
    },
  ));

test('parts_speak_the_language_of_the_page', () =>
  onPage(
    whole,
    async (page) => {
      await field(page).fill('install');
      await page.getByRole('list', { name: 'Ergebnisse' }).waitFor();
      await page.getByRole('group', { name: 'Filter' }).first().waitFor();
      await page.evaluate(() => (document.documentElement.lang = 'fa'));
      await page.getByRole('group', { name: 'پالایه‌ها' }).first().waitFor();
      await page.locator('coracle-results [part=count]').filter({ hasText: '۴ نتیجه' }).waitFor();
      const [box, name] = [await page.locator('[part=box]').first().boundingBox(), await page.locator('[part=number]').first().boundingBox()];
      assert.ok(box.x > name.x, 'boxes stand on the right');
    },
    { html: 'lang="de"' },
  ));

for (const colorScheme of ['light', 'dark']) {
  test(`axe_finds_no_violation_in_the_parts_${colorScheme}`, () =>
    onPage(
      whole,
      async (page) => {
        await page.evaluate(axe);
        await page.evaluate(() => (document.documentElement.style.background = 'Canvas'));
        const check = async (name) => {
          const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
          assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], name);
        };
        await check('idle');
        await field(page).fill('install');
        await counted(page, ['guide 1', 'reference 1', 'tool 2', 'linux 1']);
        await page.getByRole('checkbox', { name: 'tool' }).check();
        await shows(page, all.slice(0, 2));
        await check('results');
        await field(page).fill('zebra');
        await page.getByText('Nothing found').last().waitFor();
        await check('empty');
      },
      { colorScheme },
    ));
}
