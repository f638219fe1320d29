// The demo while somebody types: the page's thread stays free, rows by words are there soon.
//
// Other programs on the machine make everything slower and nothing faster, so each claim is about the best
// of several rounds; what the element itself costs is in every one of them. For the same reason a slower
// machine is one whose threads need more of their own time, not one whose clock is watched.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { answered, onSite, tireless } from './support/browser.mjs';
import { site } from './support/project.mjs';

const LONG_MS = 50;
const SLOWER = 4;
const ROUNDS = 8;
const QUERIES = ['how do I rotate the keys', 'cache headers', 'change the colours of the field', 'std::vector', 'which languages are there'];

const browser = tireless();
after(() => browser.close());

const onDemo = (work) => onSite(browser, { mounts: { '/': site } }, { viewport: { width: 1200, height: 900 } }, work);

async function type(page, query) {
  const field = page.locator('.hero').getByRole('combobox');
  await field.fill('');
  await field.pressSequentially(query, { delay: 40 });
  await answered(page, query);
}

/**
 * The longest task of the page's thread while `work` was done, in milliseconds of that thread's own time
 * on the processor: what other programs take is not in it.
 */
async function longestTask(page, work) {
  const chromium = page.context().browser();
  await chromium.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
  await work();
  const { traceEvents } = JSON.parse(await chromium.stopTracing());
  const thread = ({ pid, tid }) => `${pid} ${tid}`;
  const named = traceEvents.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const main = new Set(named.map(thread));
  // Whole tasks: one may be under way when the trace ends.
  const tasks = traceEvents.filter((event) => event.ph === 'X' && event.name.endsWith('RunTask') && main.has(thread(event)));
  assert.ok(tasks.length > 50, `only ${tasks.length} tasks were traced`);
  // The time on the clock is no less, where the other one was not taken.
  return Math.max(...tasks.map(({ tdur, dur }) => (tdur ?? dur) / 1000));
}

test('no_task_of_the_page_is_long_while_a_query_is_typed_at_a_quarter_of_the_speed', () =>
  onDemo(async (page) => {
    // Not the first search, which compiles what all others use.
    await type(page, QUERIES[0]);
    const rounds = [];
    for (let round = 0; round < ROUNDS && !rounds.some((longest) => longest * SLOWER <= LONG_MS); round++) {
      rounds.push(await longestTask(page, () => type(page, QUERIES[round % QUERIES.length])));
    }
    const longest = rounds.map((longest) => `${(longest * SLOWER).toFixed(1)} ms`).join(', ');
    console.log(`longest task at 1/${SLOWER} of the speed, round by round: ${longest}`);
    assert.ok(Math.min(...rounds) * SLOWER <= LONG_MS, longest);
    // A listener that is too slow by itself would have been noticed.
    await page.evaluate(() =>
      addEventListener('input', () => {
        for (const end = performance.now() + 100; performance.now() < end; );
      }),
    );
    assert.ok((await longestTask(page, () => type(page, 'keys'))) * SLOWER > LONG_MS);
  }));

test('rows_by_words_are_there_soon_after_a_key_once_the_index_was_read', () =>
  onDemo(async (page) => {
    for (const query of QUERIES) await type(page, query);
    await page.evaluate(() => {
      let pressed;
      globalThis.waits = [];
      addEventListener('input', () => (pressed = performance.now()), true);
      // Rows are in the page when the event comes; they are seen with the next frame.
      const shown = () => {
        if (pressed === undefined) return;
        waits.push(performance.now() - pressed);
        pressed = undefined;
      };
      for (const name of ['coracle-preview', 'coracle-results']) addEventListener(name, shown, true);
    });
    const rounds = [];
    for (let round = 0; round < ROUNDS && !rounds.some((median) => median <= LONG_MS); round++) {
      await page.evaluate(() => (waits.length = 0));
      for (const query of QUERIES) {
        await type(page, query.slice(0, -1));
        await page.evaluate(() => (waits.length = 0, undefined));
        await page.locator('.hero').getByRole('combobox').press(query.at(-1));
        await answered(page, query);
        rounds[round] = [...(rounds[round] ?? []), ...(await page.evaluate(() => waits))];
      }
      rounds[round] = rounds[round].sort((a, b) => a - b)[rounds[round].length >> 1];
    }
    console.log(`from key to rows, median of ${QUERIES.length}, round by round: ${rounds.map((median) => `${median.toFixed(1)} ms`)}`);
    assert.ok(Math.min(...rounds) <= LONG_MS, `${rounds.map((median) => median.toFixed(1))} ms`);
  }));
