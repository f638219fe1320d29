// The demo as a visitor meets it, and the package in the browser under good and bad conditions.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { answered, launch, openPage } from './support/browser.mjs';
import { at, site } from './support/project.mjs';
import { serve, STRICT_POLICY } from './support/server.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
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
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
        // Pictures are there when they are scrolled to.
        for (const picture of await page.locator('.figures img').all()) {
          await picture.scrollIntoViewIfNeeded();
          await picture.evaluate((image) => image.decode());
        }
        await page.getByRole('button', { name: 'how do I add search to my site?' }).click();
        await state(page, 'results');
        assert.ok((await titles(page)).length >= 2);
        assert.equal(page.workers().length, 1);
        assert.match(await page.locator('[data-cost]').innerText(), /took \d+ reads?, [\d.]+ kB, in \d+ round trips?/);
        const why = page.locator('[data-cost]').getByRole('link', { name: 'Why these hits?' });
        assert.match(await why.getAttribute('href'), /^\/playground\/\?q=how%20do%20I/);
        await page.screenshot({ path: `${shots}/demo-${colorScheme}.png` });
        await page.getByRole('combobox').fill('keyborad shortcuts');
        await page.locator('[part=notice]').filter({ hasText: 'Showing results for keyboard shortcuts' }).waitFor();
        assert.equal((await titles(page))[0], 'The search field');
        await page.screenshot({ path: `${shots}/demo-corrected-${colorScheme}.png` });
        await page.getByRole('combobox').press('Enter');
        await page.getByRole('combobox').press('Enter');
        await page.waitForURL('**/docs/**');
        assert.deepEqual(complaints, []);
        const anchor = new URL(page.url()).hash.slice(1);
        if (anchor !== '') assert.equal(await page.locator(`[id="${anchor}"]`).count(), 1, page.url());
        await page.screenshot({ path: `${shots}/guide-${colorScheme}.png` });
        const reads = server.asked.filter(({ path }) => path.startsWith('/search/')).length;
        assert.ok(reads <= 110, `${reads} reads`);
      },
      { colorScheme, viewport: { width: 1200, height: 860 } },
    ));
}

for (const [name, options] of [
  ['wide_light', { colorScheme: 'light', viewport: { width: 1200, height: 860 } }],
  ['wide_dark', { colorScheme: 'dark', viewport: { width: 1200, height: 860 } }],
  ['phone_light', { colorScheme: 'light', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
  ['phone_dark', { colorScheme: 'dark', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
]) {
  test(`guide_is_searched_by_keyboard_without_a_violation_${name}`, () =>
    onSite(
      async (page, { complaints }) => {
        const check = async (when) => {
          const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
          assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], when);
        };
        await page.evaluate(axe);
        await check('before');
        await page.screenshot({ path: `${shots}/page-${name}.png` });
        await page.keyboard.press('/');
        await page.getByRole('combobox').pressSequentially('cache headers', { delay: 30 });
        await answered(page, 'cache headers');
        assert.equal((await titles(page))[0], 'Hosting');
        await page.keyboard.press('ArrowDown');
        await page.keyboard.press('ArrowDown');
        const field = page.getByRole('combobox');
        const chosen = page.locator('[role=option][aria-selected=true]');
        assert.equal(await field.getAttribute('aria-activedescendant'), await chosen.getAttribute('id'));
        await check('with results');
        await page.screenshot({ path: `${shots}/search-${name}.png` });
        const target = await chosen.evaluate(({ href }) => href);
        await page.keyboard.press('Enter');
        await page.waitForURL(target);
        assert.deepEqual(complaints, []);
      },
      { path: '/docs/filters-and-facets/', ...options },
    ));
}

test('section_and_tags_of_the_guide_can_be_filtered_and_counted', () =>
  onSite(async (page) => {
    const result = await page.evaluate(async () => {
      const { open } = await import('/coracle/coracle-search.js');
      const index = await open('/search/');
      return index.search('index', { filter: { section: 'serving', tags: { any: ['hosting', 'r2'] } }, facets: ['section'] });
    });
    const found = result.hits.map(({ title }) => title).sort();
    assert.deepEqual(found, ['Hosting', 'Workers']);
    assert.deepEqual(result.facets, { section: [{ value: 'serving', count: 2 }] });
  }));

test('every_link_of_the_site_leads_to_a_page_and_a_place_on_it', () =>
  onSite(async (page, { server }) => {
    // Without scripts pages load at once, and the field fetches nothing.
    await page.route('**/*.{js,wasm,css}', (route) => route.abort());
    const ids = new Map();
    const anchors = [];
    const open = [`${server.url}/`];
    while (open.length > 0) {
      const url = open.pop();
      if (ids.has(url)) continue;
      const response = await page.goto(url);
      assert.equal(response.status(), 200, url);
      ids.set(url, new Set(await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id))));
      const links = await page.locator('a').evaluateAll((all) => all.map(({ href }) => href));
      for (const link of links.filter((link) => link.startsWith(server.url))) {
        const [target, anchor] = link.split('#');
        if (anchor) anchors.push({ from: url, target, anchor: decodeURIComponent(anchor) });
        open.push(target);
      }
    }
    assert.ok(ids.size > 17, `only ${ids.size} pages`);
    const astray = anchors.filter(({ target, anchor }) => !ids.get(target).has(anchor));
    assert.deepEqual(astray, []);
  }));

test('every_page_of_the_guide_is_there_as_markdown_and_in_llms_txt', () =>
  onSite(async (page, { server }) => {
    const text = async (path) => {
      const response = await page.request.get(server.url + path);
      assert.equal(response.status(), 200, path);
      return response.text();
    };
    const list = await text('/llms.txt');
    assert.match(list, /^# Coracle\n\n> .+\n/);
    const all = await text('/llms-full.txt');
    const listed = [...list.matchAll(/^- \[(.+)\]\((\/docs\/.+\.md)\): .+$/gm)];
    assert.equal(listed.length, readdirSync(at('www/docs')).length);
    for (const [, title, path] of listed) {
      const markdown = await text(path);
      assert.match(markdown, new RegExp(`^\\s*# `), title);
      assert.ok(all.includes(markdown.trim()), path);
      for (const [, other] of markdown.matchAll(/\]\(([\w-]+\.md)/g)) await text(`/docs/${other}`);
      const html = await text(path.replace(/(index)?\.md$/, (_, index) => (index ? '' : '/')));
      assert.ok(html.includes(`<link rel="alternate" type="text/markdown" href="${path}" />`), path);
      assert.ok(html.includes(`<title>${title} · Coracle</title>`), path);
    }
    const index = await page.evaluate(async () => (await (await import('/coracle/coracle-search.js')).open('/search/')).info);
    assert.equal(index.documents, listed.length, 'the Markdown is not indexed beside the pages');
  }));

test('words_that_were_found_are_marked_on_the_page_of_a_result', () =>
  onSite(
    async (page, { complaints }) => {
      await page.getByRole('combobox').fill('rotating cached headers');
      await answered(page, 'rotating cached headers');
      const hit = page.getByRole('option').filter({ has: page.locator('[part=mark]') }).first();
      const words = await hit.locator('[part=mark]').allInnerTexts();
      await hit.click();
      await page.waitForFunction(() => CSS.highlights.get('coracle')?.size > 0);
      const marked = await page.evaluate(() => [...CSS.highlights.get('coracle')].map((range) => String(range).toLowerCase()));
      assert.deepEqual([...new Set(marked)].sort(), [...new Set(words.map((word) => word.toLowerCase()))].sort());
      assert.deepEqual(complaints, []);
    },
    { path: '/docs/' },
  ));

test('without_a_parameter_addresses_are_those_of_the_index', () =>
  onSite(async (page) => {
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'results');
    const searches = await page.getByRole('option').evaluateAll((all) => all.map(({ search }) => search));
    assert.ok(searches.every((search) => search === ''), searches.join());
  }, bare(STRICT_POLICY)));

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

const HINTS = ['/coracle/coracle_bg.wasm', '/coracle/coracle-worker.js', '/search/root.cora']
  .map((href) => `<link rel="preload" as="fetch" crossorigin href="${href}">`)
  .join('');

for (const [name, policy] of [
  ['workers_from_copies', STRICT_POLICY.replace("worker-src 'self'", "worker-src 'self' blob:")],
  ['workers_from_files', STRICT_POLICY],
]) {
  test(`hints_of_the_guide_under_a_policy_of_${name}`, () =>
    onSite(async (page, { server }) => {
      await page.getByRole('combobox').fill('keyboard');
      await state(page, 'results');
      assert.equal(page.workers().length, 1);
      const asked = (file) => server.asked.filter(({ path }) => path === file).length;
      assert.equal(asked('/coracle/coracle_bg.wasm'), 1);
      assert.equal(asked('/search/root.cora'), 1);
      // Where a copy may not run, a worker asks for the file itself.
      if (name === 'workers_from_copies') assert.equal(asked('/coracle/coracle-worker.js'), 1);
    }, bare(policy, `${HINTS}<coracle-search src="/search/"></coracle-search>`)));
}

test('missing_index_is_said_and_retry_works_once_it_is_there', () =>
  onSite(async (page) => {
    await page.locator('coracle-search').evaluate((field) => field.setAttribute('src', '/nowhere/'));
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'error');
    assert.match(await page.locator('[part=message]').innerText(), /is there an index at this address/);
    await page.locator('coracle-search').evaluate((field) => field.setAttribute('src', '/search/'));
    await state(page, 'results');
  }, bare(STRICT_POLICY)));

for (const gone of ['deleted', 'replaced by other bytes']) {
  test(`redeploy_under_an_open_page_is_noticed_and_searched: files ${gone}`, () =>
    onSite(async (page) => {
      await page.getByRole('combobox').fill('keyboard');
      await state(page, 'results');
      // As after a redeploy: what the page's index would read next is gone, until the root is read again.
      let isNew = false;
      await page.route('**/search/root.cora', (route) => {
        isNew = true;
        return route.continue();
      });
      await page.route(/\/search\/[0-9a-f]+\.cora/, (route) => {
        if (isNew) return route.continue();
        return gone === 'deleted' ? route.fulfill({ status: 404 }) : route.fulfill({ status: 206, body: 'other' });
      });
      await page.getByRole('combobox').fill('wrangler bucket');
      await page.waitForFunction(() => globalThis.answered === 'wrangler bucket');
      await page.getByRole('option').filter({ hasText: 'Workers' }).first().waitFor();
      assert.ok(isNew);
      assert.equal(page.workers().length, 1);
    }, bare(STRICT_POLICY)));
}

test('dead_search_thread_is_replaced', () =>
  onSite(async (page) => {
    await page.getByRole('combobox').fill('keyboard');
    await state(page, 'results');
    await page.workers()[0].evaluate(() => setTimeout(() => { throw new Error('out of memory'); }));
    await page.getByRole('combobox').fill('wrangler bucket');
    await page.getByRole('option').filter({ hasText: 'Workers' }).first().waitFor();
  }, bare(STRICT_POLICY)));

for (const [name, answer] of [
  ['missing', { status: 404 }],
  ['a_page_instead', { body: '<!doctype html><title>Not here</title>' }],
  ['empty', { body: '' }],
]) {
  test(`module_that_is_${name}_names_the_file_to_copy`, () =>
    onSite(async (page) => {
      await page.route('**/coracle_bg.wasm', (route) => route.fulfill(answer));
      await page.getByRole('combobox').fill('keyboard');
      await state(page, 'error');
      assert.match(await page.locator('[part=message]').innerText(), /coracle_bg\.wasm is missing; copy it/);
      await page.unroute('**/coracle_bg.wasm');
      await page.getByRole('button', { name: 'Try again' }).click();
      await state(page, 'results');
    }, bare(STRICT_POLICY)));
}

for (const breaksOff of [false, true]) {
  test(`searches_read_while_the_second_half_of_the_module_is_on_its_way${breaksOff ? ', which breaks off and is asked for again' : ''}`, () =>
    onSite(async (page, { server }) => {
      const path = '/coracle/coracle_bg.wasm';
      let send;
      const second = new Promise((resolve) => (send = resolve));
      const first = readFileSync(site + path).readUInt32LE(16);
      server.treat({ halves: { path, first, second } });
      await page.getByRole('combobox').fill('keyboard');
      while (!server.asked.some(({ path, range }) => /^\/search\/[0-9a-f]+\.cora$/.test(path) && range)) await page.waitForTimeout(20);
      assert.ok(await page.locator('coracle-search[state=loading]').isVisible());
      server.treat({});
      send(!breaksOff);
      await state(page, 'results');
      assert.ok((await titles(page)).length > 0);
      assert.equal(server.asked.filter((asked) => asked.path === path).length, breaksOff ? 2 : 1);
    }, bare(STRICT_POLICY)));
}

for (const [thread, policy] of [
  ['a_worker', STRICT_POLICY],
  ['the_page', STRICT_POLICY.replace("worker-src 'self'", "worker-src 'none'")],
]) {
  test(`filters_load_the_rest_of_the_module_and_plain_searches_in_${thread}_do_not`, () =>
    onSite(async (page, { server }) => {
      const asked = () => server.asked.filter(({ path }) => path === '/coracle/coracle_rest.wasm').length;
      for (const [query, found] of [['keybord shortcuts', 'The search field'], ['wrangler buc', 'Workers']]) {
        await page.getByRole('combobox').fill(query);
        await page.getByRole('option').filter({ hasText: found }).first().waitFor();
      }
      assert.equal(page.workers().length, thread === 'a_worker' ? 1 : 0);
      assert.equal(asked(), 0);
      const found = await page.evaluate(() => document.querySelector('coracle-search').search('search', { filter: { section: 'guide' }, facets: ['section'] }));
      assert.deepEqual(found.facets.section.map(({ value }) => value), ['guide']);
      assert.equal(asked(), 1);
    }, bare(policy)));
}

for (const [name, answer] of [
  ['missing', (route) => route.fulfill({ status: 404, body: '<!doctype html>' })],
  ['stuck', () => {}],
]) {
  test(`rest_of_the_module_that_is_${name}_is_named_and_asked_for_again`, () =>
    onSite(async (page) => {
      await page.getByRole('combobox').fill('keyboard');
      await state(page, 'results');
      await page.route('**/coracle_rest.wasm', answer);
      await page.locator('coracle-search').evaluate((field) => (field.filter = { section: 'guide' }));
      await state(page, 'error');
      assert.match(await page.locator('[part=message]').innerText(), /coracle_rest\.wasm is missing; copy it/);
      await page.unroute('**/coracle_rest.wasm');
      await page.getByRole('button', { name: 'Try again' }).click();
      await state(page, 'results');
    }, bare(STRICT_POLICY)));
}

test('failed_read_is_said_without_the_rest_of_the_module', () =>
  onSite(async (page, { server }) => {
    const code = await page.evaluate(async () => {
      const { open } = await import('/coracle/coracle-search.js');
      const read = async (file, start, end) => {
        if (file !== 'root.cora') throw Object.assign(new Error('gone'), { status: 404 });
        const response = await fetch(`/search/${file}`);
        return new Uint8Array(await response.arrayBuffer()).slice(start, end);
      };
      const index = await open({ read });
      return index.search('keyboard').catch(({ code }) => code);
    });
    assert.equal(code, 'source');
    assert.ok(!server.asked.some(({ path }) => path.endsWith('_rest.wasm')));
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
