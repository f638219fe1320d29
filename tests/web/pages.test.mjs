// The elements on pages that do them no favours: styles that reach for everything, no connection, a slow one.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onSite, tireless } from './support/browser.mjs';
import { guideIndex } from './support/project.mjs';
import { STRICT_POLICY } from './support/server.mjs';
import { hostile, inherited, looks } from './support/styles.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const browser = tireless();
after(() => browser.close());

function onPage(elements, work, { css = '', pages = {}, fake = true } = {}) {
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/'), '/search/': guideIndex },
    pages: {
      '/index.html': `<!doctype html><html lang="en"><head><title>Test page</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">
        ${['search', 'parts', 'ask'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('')}
        <script type="module" src="/test.js"></script></head><body><main>${elements}</main></body></html>`,
      '/page.css': css,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        if (${fake}) for (const field of document.querySelectorAll('coracle-search')) field.index = new FakeIndex();
        globalThis.ready = true;`,
      ...pages,
    },
    headers: { 'content-security-policy': `${STRICT_POLICY}; img-src data:` },
  };
  return onSite(browser, site, { viewport: { width: 900, height: 700 } }, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.ready);
    await work(page, server, complaints);
  });
}

test('styles_of_the_page_do_not_reach_into_the_elements', async () => {
  const elements = '<coracle-search inline></coracle-search><coracle-search instance="b"></coracle-search><coracle-facets instance="b" fields="tags"></coracle-facets><coracle-results instance="b"></coracle-results><coracle-ask></coracle-ask>';
  const seen = async (css) => {
    let told;
    await onPage(
      elements,
      async (page, _, complaints) => {
        for (const field of await page.locator('coracle-search input').all()) await field.fill('install');
        await page.waitForFunction(() => document.querySelectorAll('coracle-search[state=results]').length === 2);
        await page.locator('coracle-facets input').first().waitFor();
        told = await looks(page);
        assert.deepEqual(complaints, []);
      },
      { css },
    );
    return told;
  };
  const plain = await seen(inherited);
  assert.ok(plain.length > 40, `${plain.length} parts`);
  const troubled = await seen(hostile + inherited);
  assert.deepEqual(troubled, plain);
});

test('offline_is_an_error_that_a_retry_recovers_from', () =>
  onPage(
    '<coracle-search></coracle-search>',
    async (page) => {
      await page.context().setOffline(true);
      const input = page.getByRole('combobox');
      await input.fill('keyboard');
      await page.waitForSelector('coracle-search[state=error]');
      await page.getByText('Search is not available').first().waitFor();
      await page.context().setOffline(false);
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.waitForSelector('coracle-search[state=results]');
      // What was read stays at hand: the same question needs no connection.
      await page.context().setOffline(true);
      await input.fill('');
      await input.fill('keyboard');
      await page.waitForSelector('coracle-search[state=results]');
    },
    { fake: false },
  ));

test('slow_connection_shows_that_it_searches_and_then_what_it_found', () =>
  onPage(
    '<coracle-search></coracle-search>',
    async (page, _, complaints) => {
      const session = await page.context().newCDPSession(page);
      await session.send('Network.enable');
      await session.send('Network.emulateNetworkConditions', { offline: false, latency: 300, downloadThroughput: 60_000, uploadThroughput: 30_000 });
      const input = page.getByRole('combobox');
      await input.fill('keyboard shortcuts');
      await page.waitForSelector('coracle-search[state=loading]');
      assert.equal(await input.getAttribute('aria-busy'), 'true');
      const { y } = await page.locator('coracle-search').boundingBox();
      await page.waitForSelector('coracle-search[state=results]');
      assert.equal((await page.locator('coracle-search').boundingBox()).y, y);
      assert.ok((await page.getByRole('option').count()) > 0);
      assert.deepEqual(complaints, []);
    },
    { fake: false },
  ));
