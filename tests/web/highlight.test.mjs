// The script for pages that results lead to: words marked and in view, and gone without a trace.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { onSite, tireless } from './support/browser.mjs';
import { at } from './support/project.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const browser = tireless();
after(() => browser.close());

const filler = '<p>Nothing is found here.</p>'.repeat(60);
const text = `
  <p id="above">A coracle is a boat. Coracles are boats.</p>${filler}
  <h2 id="boats">Boats</h2><p>The <em>Coracle</em> is round; so is a std::vector (nearly).</p>
  <details><summary>More</summary><p>丸い小舟の話</p></details>
  <pre hidden>coracle</pre><textarea>coracle</textarea>`;

/** Opens a page with the script, at an address, and works on it. */
function arriveAt(address, work, { head = '', body = `<nav>coracle</nav><main>${text}</main>`, init = () => {} } = {}) {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Boats</title>${head}
    <script type="module" src="/coracle/coracle-highlight.js"></script>${body}</html>`;
  const site = { mounts: { '/coracle/': at('www/dist/') }, pages: { '/index.html': html }, headers: { 'content-security-policy': STRICT_POLICY } };
  return onSite(browser, site, {}, async (page, server, complaints) => {
    await page.addInitScript(init);
    await page.goto(`${server.url}/${address}`, { waitUntil: 'load' });
    await work(page);
    assert.deepEqual(complaints, []);
  });
}

const marked = (page) => page.evaluate(() => [...(CSS.highlights.get('coracle') ?? [])].map(String));
const isInView = (page, number) =>
  page.waitForFunction((number) => {
    const { top, bottom } = [...CSS.highlights.get('coracle')][number].getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight && bottom > top;
  }, number);

test('words_are_marked_in_the_content_alone_and_escape_forgets_them', () =>
  arriveAt('?page=2&highlight=coracle+boats', async (page) => {
    const before = await page.locator('main').innerHTML();
    // Whole words in any case: neither `Coracles` nor what is outside of the content or hidden.
    assert.deepEqual(await marked(page), ['coracle', 'boats', 'Boats', 'Coracle']);
    assert.equal(await page.locator('main').innerHTML(), before);
    await isInView(page, 0);
    await page.keyboard.press('Escape');
    assert.deepEqual(await marked(page), []);
    assert.equal(new URL(page.url()).search, '?page=2');
    assert.equal(await page.evaluate(() => document.adoptedStyleSheets.length), 0);
  }));

test('the_first_word_below_the_anchor_is_brought_into_view', () =>
  arriveAt('?highlight=vector+coracle#boats', async (page) => {
    assert.deepEqual(await marked(page), ['coracle', 'Coracle', 'vector']);
    await isInView(page, 1);
    assert.ok(await page.evaluate(() => scrollY > 500));
  }));

test('a_word_far_below_is_brought_into_view_and_closed_details_open', () =>
  arriveAt('?highlight=小舟', async (page) => {
    assert.deepEqual(await marked(page), ['小舟']);
    await isInView(page, 0);
    assert.ok(await page.locator('details').evaluate(({ open }) => open));
  }));

test('without_the_highlight_api_marks_are_elements_that_go_away', () =>
  arriveAt(
    '?highlight=coracle+boats#boats',
    async (page) => {
      assert.deepEqual(await page.locator('mark').allInnerTexts(), ['coracle', 'boats', 'Boats', 'Coracle']);
      await page.keyboard.press('Escape');
      assert.equal(await page.locator('mark').count(), 0);
      // Texts are whole again.
      assert.equal(await page.locator('#above').evaluate(({ childNodes }) => childNodes.length), 1);
    },
    { init: () => Object.defineProperty(CSS, 'highlights', { value: undefined }) },
  ));

test('hostile_words_mark_nothing_and_break_nothing', async () => {
  await arriveAt(`?highlight=${encodeURIComponent('<img src=x onerror=alert(1)> .* [ (?:  \\p{L} std::vector')}#%`, async (page) => {
    assert.deepEqual(await marked(page), ['std::vector']);
    assert.equal(await page.locator('img').count(), 0);
  });
  await arriveAt('?highlight=+', async (page) => assert.deepEqual(await marked(page), []));
});

test('a_page_names_another_parameter_and_a_default_content', () =>
  arriveAt('?q=round&highlight=coracle', async (page) => assert.deepEqual(await marked(page), ['round', 'round']), {
    head: '<meta name="coracle-highlight" content="q">',
    body: '<p>round</p><p>coracle</p><p>round</p>',
  }));

test('a_key_that_somebody_else_took_leaves_the_marks', () =>
  arriveAt('?highlight=coracle', async (page) => {
    await page.evaluate(() => document.body.addEventListener('keydown', (event) => event.preventDefault(), { once: true }));
    await page.keyboard.press('Escape');
    assert.equal((await marked(page)).length, 2);
    await page.keyboard.press('Escape');
    assert.deepEqual(await marked(page), []);
  }));

test('called_again_it_follows_the_address_of_a_page_that_was_not_loaded', () =>
  arriveAt('?highlight=coracle', async (page) => {
    await page.evaluate(async () => {
      const { highlight } = await import('/coracle/coracle-highlight.js');
      history.pushState(null, '', '?highlight=round');
      highlight();
    });
    assert.deepEqual(await marked(page), ['round']);
    assert.equal(await page.evaluate(() => document.adoptedStyleSheets.length), 1);
  }));
