// What a second search and a second visit have to fetch.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch, openPage } from './support/browser.mjs';
import { guideIndex, site } from './support/project.mjs';
import { serve } from './support/server.mjs';

const QUERY = 'how are vectors compressed';

/** Opens the index as a page does, asks, and returns the hits' ids. */
const visit = (page, queries, keep = true) =>
  page.evaluate(
    async ([queries, keep]) => {
      const { open } = await import('/coracle/coracle-search.js');
      const index = await open('/search/', { keep });
      const found = [];
      for (const query of queries) found.push((await index.search(query)).hits.map(({ chunk, score }) => [chunk, score]));
      // Keeping is nothing that a search waits for.
      await new Promise((done) => setTimeout(done, 300));
      index.close();
      return found;
    },
    [queries, keep],
  );

async function withPage(work) {
  const pages = { '/index.html': '<!doctype html><title>Empty</title><link rel="icon" href="data:,">' };
  const server = await serve({ mounts: { '/search/': guideIndex, '/': site }, pages });
  const browser = await launch();
  try {
    const { page } = await openPage(browser, `${server.url}/`);
    const asked = () => server.asked.splice(0).filter(({ path }) => path.startsWith('/search/')).map(({ path, range }) => (range ? 'range' : path));
    await work(page, asked);
  } finally {
    await browser.close();
    await server.close();
  }
}

test('returning_visitor_fetches_the_root_and_nothing_else', () =>
  withPage(async (page, asked) => {
    const first = await visit(page, [QUERY]);
    assert.ok(asked().filter((what) => what === 'range').length > 3);
    await page.reload();
    assert.deepEqual(await visit(page, [QUERY]), first);
    assert.deepEqual(asked(), ['/search/root.cora']);
  }));

test('nothing_is_kept_where_that_is_not_wanted', () =>
  withPage(async (page, asked) => {
    await visit(page, [QUERY], false);
    const first = asked();
    await page.reload();
    await visit(page, [QUERY], false);
    assert.equal(asked().length, first.length);
    assert.deepEqual(await page.evaluate(() => caches.keys()), []);
  }));

test('second_question_of_a_visit_fetches_what_is_new_and_the_same_one_nothing', () =>
  withPage(async (page, asked) => {
    await visit(page, [QUERY], false);
    const one = asked().length;
    await visit(page, [QUERY, QUERY], false);
    assert.equal(asked().length, one);
    await visit(page, [QUERY, 'how are vectors stored'], false);
    assert.ok(asked().length < 2 * one);
  }));
