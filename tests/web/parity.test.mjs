// One engine, the same answers everywhere: ids and scores to the last bit in every runtime.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { open } from '@coracle-search/coracle';
import { cli } from '../../www/build/search.mjs';
import { answers } from './support/answers.mjs';
import { launch, openPage } from './support/browser.mjs';
import { startWorker } from './support/edge.mjs';
import { at, guideIndex, site } from './support/project.mjs';
import { serve } from './support/server.mjs';

const list = at('tests/web/queries.json');
const queries = JSON.parse(readFileSync(list, 'utf8'));
const options = { limit: 10, group: 'chunk' };
let expected;

before(async () => {
  assert.equal(queries.length, 50);
  const index = await open(guideIndex);
  expected = await answers(index, queries, options);
  index.close();
  assert.ok(expected.filter(({ hits }) => hits.length > 0).length > 40);
});

/** Compares scores as the 32-bit numbers they are, however they were printed. */
function same(actual) {
  for (const { hits } of [...actual]) for (const hit of hits) hit[2] = Math.fround(hit[2]);
  assert.deepEqual(actual, expected);
}

for (const [runtime, ...args] of [
  ['deno', 'run', '--allow-read', '--allow-env'],
  ['bun', 'run'],
]) {
  test(`${runtime}_answers_like_node`, () => {
    const script = [at('tests/web/support/answers.mjs'), guideIndex, list, JSON.stringify(options)];
    same(JSON.parse(execFileSync(at(`node_modules/.bin/${runtime}`), [...args, ...script], { cwd: at(''), encoding: 'utf8' })));
  });
}

test('command_line_answers_like_node', () => {
  same(
    queries.map((query) => {
      const args = ['search', guideIndex, '--json', '--limit', '10', '--group', 'chunk', '--', query];
      let printed;
      try {
        printed = execFileSync(cli, args, { encoding: 'utf8' });
      } catch (failed) {
        // Nothing found has an exit code of its own.
        if (failed.status !== 1) throw failed;
        printed = failed.stdout;
      }
      const { hits, total } = JSON.parse(printed);
      return { query, total, hits: hits.map(({ id, chunk, score }) => [id, chunk, score]) };
    }),
  );
});

test('chromium_answers_like_node', async () => {
  const server = await serve({ mounts: { '/': site }, pages: { '/index.html': '<!doctype html><title>Empty</title>' } });
  const browser = await launch();
  try {
    const { page } = await openPage(browser, `${server.url}/`);
    for (const worker of [true, false]) {
      const found = await page.evaluate(
        async ({ queries, options, worker }) => {
          const { open } = await import('/coracle/coracle-search.js');
          const index = await open('/search/', { worker });
          const out = [];
          for (const query of queries) {
            const { hits, total } = await index.search(query, options);
            out.push({ query, total, hits: hits.map(({ id, chunk, score }) => [id, chunk, score]) });
          }
          index.close();
          return out;
        },
        { queries, options, worker },
      );
      same(found);
    }
  } finally {
    await browser.close();
    await server.close();
  }
});

for (const from of ['assets', 'r2', 'http']) {
  test(`workerd_answers_like_node_from_${from}`, async () => {
    const worker = await startWorker(from);
    try {
      const found = [];
      for (const query of queries) {
        const response = await worker.post({ q: query, ...options });
        const { hits, total } = await response.json();
        found.push({ query, total, hits: hits.map(({ id, chunk, score }) => [id, chunk, score]) });
      }
      same(found);
    } finally {
      await worker.stop();
    }
  });
}
