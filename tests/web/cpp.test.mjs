// The field on a large documentation site: C++ pages, found by meaning and in spite of typos.
//
// Needs CORACLE_DATA, or CORACLE_CPP_INDEX: the folder of an index of the whole site. Without the
// latter a slice of the site is indexed, since embedding all of it takes the model ten minutes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, index as build } from '../../www/build/search.mjs';
import { filesBelow, unlessFresh } from '../../www/build/tools.mjs';
import { answered, launch, openPage } from './support/browser.mjs';
import { sameEverywhere } from './support/parity.mjs';
import { at, site } from './support/project.mjs';
import { serve, STRICT_POLICY } from './support/server.mjs';

const { CORACLE_DATA: data, CORACLE_CPP_INDEX: whole } = process.env;
const shots = at('target/screenshots');

/** Pages whose address speaks of the two topics that are asked for, and every 50th of all others. */
function slice(pages) {
  const onTopic = (page) => /optimi|pointer|[-_]ptr/.test(page);
  const others = pages.filter((page) => !onTopic(page));
  return [...pages.filter(onTopic), ...others.filter((_, at) => at % 50 === 0)].sort();
}

/** The index, built if there is none of the same pages by the same program. */
async function cppIndex() {
  if (whole) return join(whole, '/');
  const archive = join(data, 'cpp-docs/site.tar.xz');
  const unpacked = at('target/cpp/site');
  if (!existsSync(unpacked)) {
    const unfinished = `${unpacked}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    execFileSync('tar', ['-xJf', archive, '-C', unfinished]);
    renameSync(unfinished, unpacked);
  }
  const chosen = at('target/cpp/slice');
  rmSync(chosen, { recursive: true, force: true });
  const pages = filesBelow(unpacked).map((file) => file.slice(unpacked.length));
  for (const page of slice(pages)) cpSync(unpacked + page, chosen + page);
  const out = at('target/cpp/search');
  await unlessFresh('index of the C++ pages', [cli, chosen], [out], () => build('cpp', chosen, out, '--quiet'));
  return `${out}/`;
}

if (!data && !whole) {
  test('cpp_docs', { skip: 'CORACLE_DATA and CORACLE_CPP_INDEX are not set' });
} else {
  let folder;
  const index = () => (folder ??= cppIndex());
  let browser;
  let server;
  before(async () => {
    mkdirSync(shots, { recursive: true });
    server = await serve({
      mounts: { '/search/': await index(), '/coracle/': join(site, 'coracle/') },
      pages: {
        '/index.html': `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>C++ documentation</title>
          <link rel="stylesheet" href="/page.css"><script type="module" src="/coracle/coracle-search.js"></script></head>
          <body><main><h1>C++ documentation</h1><coracle-search hotkey="/" placeholder="Search 9,751 pages"></coracle-search></main></body></html>`,
        '/page.css': `:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
          main { max-width: 46rem; margin: 3rem auto; padding: 0 1rem }`,
      },
      headers: { 'content-security-policy': STRICT_POLICY },
    });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Types a query as a person does and gives the titles of the first five results for all of it. */
  async function typed(query, shot, options = {}) {
    const { page, complaints } = await openPage(browser, `${server.url}/`, { viewport: { width: 1000, height: 820 }, ...options });
    try {
      await page.keyboard.press('/');
      await page.getByRole('combobox').pressSequentially(query, { delay: 40 });
      await answered(page, query);
      const titles = await page.getByRole('option').locator('[part=hit-title]').allInnerTexts();
      const notice = await page.locator('[part=notice]').innerText();
      await page.screenshot({ path: `${shots}/cpp-${shot}.png` });
      assert.deepEqual(complaints, []);
      return { notice, titles: titles.slice(0, 5) };
    } finally {
      await page.context().close();
    }
  }

  for (const colorScheme of ['light', 'dark']) {
    test(`question_in_british_spelling_finds_pages_on_optimisation_${colorScheme}`, async () => {
      const { titles } = await typed('optimise code for speed', `optimise-${colorScheme}`, { colorScheme });
      assert.equal(titles.length, 5);
      assert.ok(titles.filter((title) => /optimiz/i.test(title)).length >= 3, titles.join(' | '));
    });
  }

  test('typo_finds_smart_pointers_and_says_what_was_searched', async () => {
    const { titles, notice } = await typed('smrt pointer', 'smart-pointer');
    assert.match(notice, /Showing results for smart pointer/);
    assert.match(titles.slice(0, 2).join(' | '), /Smart pointers/, titles.join(' | '));
  });

  test('typo_on_a_phone_shows_the_same', async () => {
    const phone = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
    const { titles } = await typed('smrt pointer', 'phone', phone);
    assert.match(titles.slice(0, 2).join(' | '), /Smart pointers/, titles.join(' | '));
  });

  if (data) {
    const queries = JSON.parse(readFileSync(join(data, 'cpp-docs/queries.json'), 'utf8'));
    // The emulated bucket does not take files as large as the whole site's.
    sameEverywhere('cpp', index, queries, [whole ? 'http' : 'r2']);
  }
}
