// The playground: why a hit ranks, what was read, where it lies on the map.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { onSite, tireless } from './support/browser.mjs';
import { at, deployed, site } from './support/project.mjs';
import { open } from '../../www/dist/server.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = at('target/screenshots');
mkdirSync(shots, { recursive: true });
const policy = /Content-Security-Policy: (.*)/.exec(readFileSync(`${site}_headers`, 'utf8'))[1];
const browser = tireless();
after(() => browser.close());

/** Opens the playground, with the policy that the site is deployed with. */
function play(address, work, { mounts = {}, pages = {}, ...options } = {}) {
  const served = { mounts: { ...mounts, '/': site }, pages, headers: { 'content-security-policy': policy } };
  return onSite(browser, served, options, async (page, server, complaints) => {
    complaints.length = 0;
    await page.goto(`${server.url}/playground/${address}`);
    await work(page, complaints, server);
  });
}

const shown = (page, count = 10) => page.waitForFunction((count) => document.querySelectorAll('[data-hits] > li').length === count, count);
const status = (page, text) => page.locator('[data-status]').filter({ hasText: text }).waitFor();
/** Waits for the next result after `change`. */
async function next(page, change) {
  await page.locator('[data-hits] > li').first().evaluate((old) => (globalThis.old = old));
  await change();
  await page.waitForFunction(() => !globalThis.old.isConnected && document.querySelector('[data-hits] > li'));
}

for (const [name, options] of [
  ['wide_light', { colorScheme: 'light', viewport: { width: 1200, height: 900 } }],
  ['phone_dark', { colorScheme: 'dark', viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
]) {
  test(`hits_reads_and_map_are_shown_without_a_violation_${name}`, () =>
    play(
      '?q=cache+headers',
      async (page, complaints) => {
        await shown(page);
        await page.locator('[data-map] a').nth(9).waitFor();
        assert.match(await page.locator('[data-cost]').innerText(), /[\d.]+ kB in \d+ reads? and \d+ round trips?/);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the window');
        await page.screenshot({ path: `${shots}/playground-${name}.png`, fullPage: true });
        assert.deepEqual(complaints, []);
      },
      options,
    ));
}

test('hits_scores_and_sums_are_those_of_the_engine', async () => {
  const index = await open(`${site}search`);
  const query = 'how are cached files kept fresh?';
  const queries = [
    ['', {}],
    ['&mode=keyword', { mode: 'keyword' }],
    ['&mode=vector', { mode: 'vector' }],
    ['&alpha=0.4', { alpha: 0.4 }],
    ['&fusion=rrf', { fusion: 'rrf' }],
    ['&group=chunk&diversity=0.6', { group: 'chunk', diversity: 0.6 }],
  ];
  for (const [parameters, options] of queries) {
    const { hits } = await index.search(query, { limit: 10, ...options });
    await play(`?q=${encodeURIComponent(query)}${parameters}`, async (page) => {
      await shown(page);
      const rows = await page.locator('[data-hits] > li').evaluateAll((all) =>
        all.map((row) => [row.querySelector('h3 a').textContent, row.querySelector('.score').textContent, row.querySelector('.formula')?.textContent]),
      );
      assert.deepEqual(rows.map(([title, score]) => [title, score]), hits.map(({ title, score }) => [title, score.toFixed(3)]), parameters);
      for (const [, score, formula] of rows) {
        // The sum that is shown is one that its reader can do.
        const sum = formula.split(' = ')[0].replaceAll('×', '*').replaceAll('÷', '/');
        assert.match(sum, /^[\d.+*/() ]+$/);
        const value = Function(`return ${sum}`)();
        assert.ok(Math.abs(value - score) < 0.006, `${formula} (${parameters})`);
      }
    });
  }
  index.close();
});

test('reads_are_counted_then_answered_from_memory_then_forgotten', () =>
  play('?q=signed+indexes', async (page, _, server) => {
    await shown(page);
    const cost = () => page.locator('[data-cost]').innerText();
    const rounds = () => page.locator('[data-reads] th').allInnerTexts();
    const first = await cost();
    assert.equal((await rounds())[0], 'root');
    // What the page counts is what the server was asked for, beside the root and the page's own fields.
    const asked = server.asked.filter(({ path, range }) => path.startsWith('/search/') && range).length;
    assert.match(first, new RegExp(` in ${asked} reads `));
    const titles = await page.locator('[data-sections] th').allInnerTexts();
    assert.ok(titles.includes('texts of hits') && titles.includes('titles and addresses'), titles.join());
    await next(page, () => page.getByLabel('Weight of meaning').selectOption('0'));
    await next(page, () => page.getByLabel('Weight of meaning').selectOption(''));
    assert.match(await cost(), /Nothing was read: \d+ reads answered from memory/);
    await next(page, () => page.getByRole('button', { name: 'Forget what was read' }).click());
    assert.equal(await cost(), first);
  }));

test('map_has_every_hit_where_the_map_says_and_is_reached_by_keyboard', () =>
  play('?q=signed+indexes', async (page) => {
    await shown(page);
    await page.locator('[data-map] a').nth(9).waitFor();
    const map = JSON.parse(readFileSync(`${site}search/map.json`, 'utf8'));
    const places = await page.locator('[data-map] a').evaluateAll((all) =>
      all.map((mark) => [mark.getAttribute('aria-label'), ...mark.getAttribute('transform').match(/[\d.]+/g).map(Number)]),
    );
    const { hits } = await (await open(`${site}search`)).search('signed indexes', { limit: 10 });
    const expected = hits.map(({ title, chunk }, rank) => [`Hit ${rank + 1}: ${title}`, map.x[chunk], map.y[chunk]]).reverse();
    assert.deepEqual(places, expected);
    assert.equal(await page.locator('.legend button').count(), map.groups.length);
    // Something is painted, and choosing a group paints it anew.
    const painted = () => page.locator('.plane canvas').evaluate((canvas) => canvas.toDataURL());
    const before = await painted();
    await page.locator('.legend button').first().focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.legend button').first().getAttribute('aria-pressed'), 'true');
    assert.notEqual(await painted(), before);
    await page.locator('[data-map] a').last().focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash === '#hit-1');
    await page.waitForFunction(() => document.activeElement?.id === 'hit-1' || document.querySelector('#hit-1:target'));
  }));

test('another_index_is_searched_by_its_address_and_says_that_it_has_no_map', () =>
  play(
    '?index=/other&q=cache+headers',
    async (page) => {
      await shown(page);
      await page.getByText('There is no map of this build').waitFor();
      assert.match(page.url(), /index=%2Fother/);
      assert.match(await page.locator('[data-cost]').innerText(), /kB in/);
    },
    // In small files, read whole; its map is not there.
    { mounts: { '/other/': `${deployed}search/` }, pages: { '/other/map.json': '{"build_id": "of another build"}' } },
  ));

test('missing_index_is_said_and_an_empty_query_clears', () =>
  play('?index=/nowhere/', async (page) => {
    await status(page, 'That did not work: ');
    await page.getByLabel('Query').fill('');
    await page.waitForFunction(() => document.querySelector('[data-status]').textContent === '');
  }));

test('corrections_are_said_and_the_address_leads_back', () =>
  play('?q=keyborad+shortcuts', async (page) => {
    await status(page, 'Searched “keyboard” instead of “keyborad”.');
    await next(page, () => page.getByLabel('Found by').selectOption('keyword'));
    assert.equal(new URL(page.url()).search, '?q=keyborad+shortcuts&mode=keyword');
  }));
