// The demo as a visitor meets it, and the package in the browser under good and bad conditions.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, openPage } from './support/browser.mjs';
import { at, site } from './support/project.mjs';
import { serve, STRICT_POLICY } from './support/server.mjs';

const shots = at('target/screenshots');
let browser;
before(async () => {
  mkdirSync(shots, { recursive: true });
  browser = await launch();
});
after(() => browser.close());

/** Opens the demo, or with `pages` something else on its server. */
async function onSite(work, { path = '/', pages = {}, policy, mounts = {}, ...options } = {}) {
  const headers = policy ? { 'content-security-policy': policy } : {};
  const server = await serve({ mounts: { ...mounts, '/': site }, pages, headers });
  const { page, complaints } = await openPage(browser, server.url + path, options);
  try {
    await work(page, { server, complaints });
  } finally {
    await page.context().close();
    await server.close();
  }
}

const state = (page, wanted) => page.waitForSelector(`coracle-search[state=${wanted}]`);
const titles = (page) => page.getByRole('option').locator('[part=hit-title]').allInnerTexts();

for (const colorScheme of ['light', 'dark']) {
  test(`visitor_asks_an_example_and_opens_the_answer_${colorScheme}`, () =>
    onSite(
      async (page, { server, complaints }) => {
        await page.getByRole('button', { name: 'how do I add search to my site?' }).click();
        await state(page, 'results');
        assert.ok((await titles(page)).length >= 2);
        assert.equal(page.workers().length, 1);
        assert.match(await page.locator('[data-cost]').innerText(), /took \d+ reads?, [\d.]+ kB, in \d+ round trips?/);
        await page.screenshot({ path: `${shots}/demo-${colorScheme}.png` });
        await page.getByRole('combobox').fill('keybord shortcuts');
        await page.getByRole('option').filter({ hasText: 'The search field' }).first().waitFor();
        assert.match(await page.locator('[part=notice]').innerText(), /Showing results for keyboard/);
        await page.screenshot({ path: `${shots}/demo-corrected-${colorScheme}.png` });
        await page.getByRole('combobox').press('Enter');
        await page.getByRole('combobox').press('Enter');
        await page.waitForURL('**/docs/**');
        assert.deepEqual(complaints, []);
        const anchor = new URL(page.url()).hash.slice(1);
        if (anchor !== '') assert.equal(await page.locator(`[id="${anchor}"]`).count(), 1, page.url());
        await page.screenshot({ path: `${shots}/guide-${colorScheme}.png` });
        assert.ok(server.asked.filter(({ path }) => path.startsWith('/search/')).length <= 24);
      },
      { colorScheme, viewport: { width: 1200, height: 860 } },
    ));
}

test('every_link_of_the_site_leads_somewhere', () =>
  onSite(async (page, { server }) => {
    const seen = new Set();
    const open = [`${server.url}/`];
    while (open.length > 0) {
      const url = open.pop();
      if (seen.has(url)) continue;
      seen.add(url);
      const response = await page.goto(url);
      assert.equal(response.status(), 200, url);
      const links = await page.locator('a').evaluateAll((all) => all.map(({ href }) => href));
      for (const link of links.filter((link) => link.startsWith(server.url))) {
        const [target, anchor] = link.split('#');
        if (target === url && anchor) assert.equal(await page.locator(`[id="${anchor}"]`).count(), 1, link);
        open.push(target);
      }
    }
    assert.ok(seen.size >= 3);
  }));

/** A page with nothing but fields, under a policy. */
const bare = (policy, fields = '<coracle-search src="/search/"></coracle-search>') => ({
  path: '/bare.html',
  policy,
  pages: {
    '/bare.html': `<!doctype html><html lang="en"><title>Bare</title>
      <script type="module" src="/coracle/coracle-search.js"></script>${fields}`,
  },
});

for (const [name, policy] of [
  ['worker_src_none', STRICT_POLICY.replace("worker-src 'self'", "worker-src 'none'")],
  ['trusted_types_none', `${STRICT_POLICY}; trusted-types 'none'`],
]) {
  test(`policy_${name}_searches_on_the_pages_thread`, () =>
    onSite(async (page) => {
      await page.getByRole('combobox').fill('keyboard');
      await state(page, 'results');
      assert.equal(page.workers().length, 0);
    }, bare(policy)));
}

test('strict_policy_with_real_index_meets_no_complaint', () =>
  onSite(async (page, { complaints }) => {
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'results');
    assert.equal(page.workers().length, 1);
    assert.deepEqual(complaints, []);
  }, bare(STRICT_POLICY)));

test('missing_index_is_said_and_retry_works_once_it_is_there', () =>
  onSite(async (page) => {
    await page.locator('coracle-search').evaluate((field) => field.setAttribute('src', '/nowhere/'));
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'error');
    assert.match(await page.locator('[part=message]').innerText(), /is there an index at this address/);
    await page.locator('coracle-search').evaluate((field) => field.setAttribute('src', '/search/'));
    await state(page, 'results');
  }, bare(STRICT_POLICY)));

test('missing_module_names_the_file_to_copy', () =>
  onSite(async (page) => {
    await page.route('**/coracle_bg.wasm', (route) => route.fulfill({ status: 404 }));
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'error');
    assert.match(await page.locator('[part=message]').innerText(), /coracle_bg\.wasm answers 404; copy it/);
    await page.unroute('**/coracle_bg.wasm');
    await page.getByRole('button', { name: 'Try again' }).click();
    await state(page, 'results');
  }, bare(STRICT_POLICY)));

test('source_of_the_page_is_read_from_the_worker_thread', () =>
  onSite(async (page) => {
    const outcome = await page.evaluate(async () => {
      const { open } = await import('/coracle/coracle-search.js');
      const reads = [];
      const source = {
        async read(file, start, end) {
          reads.push(file);
          const response = await fetch(`/search/${file}`);
          if (!response.ok) throw Object.assign(new Error('gone'), { status: response.status });
          return new Uint8Array(await response.arrayBuffer()).slice(start, end);
        },
      };
      const index = await open(source);
      const { hits } = await index.search('keyboard');
      const text = await hits[0].text();
      const stop = new AbortController();
      const aborted = index.search('dark mode', { signal: stop.signal }).catch(({ name }) => name);
      stop.abort();
      const wrong = await index.search('x', { limit: 0 }).catch(({ name, code }) => `${name} ${code}`);
      const name = await aborted;
      const running = index.search('policy').catch(({ code }) => code);
      index.close();
      const missing = await open({ read: () => Promise.reject(Object.assign(new Error('gone'), { status: 404 })) }).catch(({ message }) => message);
      return { id: hits[0].id, text: text.length > 0, root: reads[0], name, wrong, closed: await running, missing };
    });
    assert.match(outcome.id, /widget/);
    assert.match(outcome.missing, /root\.cora: not found/);
    delete outcome.id;
    delete outcome.missing;
    const expected = { text: true, root: 'root.cora', name: 'AbortError', wrong: 'CoracleError limit', closed: 'closed' };
    assert.deepEqual(outcome, expected);
  }));

test('two_fields_share_one_thread', () =>
  onSite(
    async (page) => {
      for (const field of await page.getByRole('combobox').all()) {
        await field.fill('keyboard');
        await page.getByRole('option').first().waitFor();
        await field.press('Escape');
      }
      assert.equal(page.workers().length, 1);
    },
    bare(STRICT_POLICY, '<coracle-search></coracle-search><coracle-search></coracle-search>'),
  ));
