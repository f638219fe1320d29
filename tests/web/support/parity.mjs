// One engine, the same answers everywhere: ids and scores to the last bit in every runtime.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { open } from '@coracle-search/coracle';
import { cli } from '../../../www/build/search.mjs';
import { answers } from './answers.mjs';
import { launch, openPage } from './browser.mjs';
import { startWorker } from './edge.mjs';
import { at, site } from './project.mjs';
import { serve } from './server.mjs';

const options = { limit: 10, group: 'chunk' };
const ran = promisify(execFile);
const output = async (...command) => (await ran(...command, { cwd: at(''), encoding: 'utf8', maxBuffer: 1 << 28 })).stdout;

/** What the command line prints for a query. Nothing found has an exit code of its own. */
function printed(index, query) {
  const args = ['search', index, '--json', '--limit', '10', '--group', 'chunk', '--', query];
  return output(cli, args).catch((failed) => {
    if (failed.code !== 1) throw failed;
    return failed.stdout;
  });
}

/**
 * Registers tests that ask every query in every runtime and compare with the command line's answers.
 *
 * @param name stands before the tests' names
 * @param index gives the index's folder; called once tests run
 * @param queries what to ask
 * @param workers where the worker reads the index from, see `startWorker`
 */
export function sameEverywhere(name, index, queries, workers) {
  let folder;
  let expected;
  before(async () => {
    folder = await index();
    expected = [];
    for (const query of queries) {
      const { hits, total } = JSON.parse(await printed(folder, query));
      expected.push({ query, total, hits: hits.map(({ id, chunk, score }) => [id, chunk, Math.fround(score)]) });
    }
    assert.ok(expected.filter(({ hits }) => hits.length > 0).length > queries.length * 0.8);
  });

  /** Compares scores as the 32-bit numbers they are, however they were written on the way. */
  function same(actual) {
    for (const { hits } of actual) for (const hit of hits) hit[2] = Math.fround(hit[2]);
    assert.deepEqual(actual, expected);
  }

  test(`${name}_node_answers_like_the_command_line`, async () => {
    const opened = await open(folder);
    same(await answers(opened, queries, options));
    opened.close();
  });

  for (const [runtime, ...args] of [
    ['deno', 'run', '--allow-read', '--allow-env'],
    ['bun', 'run'],
  ]) {
    test(`${name}_${runtime}_answers_like_the_command_line`, async () => {
      mkdirSync(at('target/queries'), { recursive: true });
      const list = at(`target/queries/${name}-${runtime}.json`);
      writeFileSync(list, JSON.stringify(queries));
      const script = [at('tests/web/support/answers.mjs'), folder, list, JSON.stringify(options)];
      same(JSON.parse(await output(at(`node_modules/.bin/${runtime}`), [...args, ...script])));
    });
  }

  test(`${name}_chromium_answers_like_the_command_line`, async () => {
    const pages = { '/index.html': '<!doctype html><title>Empty</title>' };
    const server = await serve({ mounts: { '/search/': folder, '/': site }, pages });
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

  for (const from of workers) {
    test(`${name}_workerd_answers_like_the_command_line_from_${from}`, async () => {
      const worker = await startWorker(from, folder);
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
}
