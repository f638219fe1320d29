// Whatever a host does to a read, a search ends with the right result or with an error that has a name,
// and in time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open } from '@coracle-search/coracle';
import { index } from '../../www/build/search.mjs';
import { launch, openPage } from './support/browser.mjs';
import { startWorker } from './support/edge.mjs';
import { emptyPage, faults, filesOf, hostile } from './support/hostile.mjs';
import { at, guideIndex, site } from './support/project.mjs';

const QUERY = 'how are vectors compressed';
const TIMEOUT_MS = 2000;
/** Errors that are an answer: reads failed, bytes are not what was built, or the time was up. */
const NAMED = ['source', 'root', 'damaged', 'timeout', 'index-unavailable'];
/** What a second try does not mend. */
const LASTING = ['not found', 'gone', 'range not satisfiable', 'slower than anyone waits'];
/** What is no fault to a client that looks. */
const HARMLESS = ['the whole file'];
/** What some clients take and others refuse. */
const EITHER = ['gzip of the range'];

const found = ({ hits }) => hits.map(({ id, chunk, score }) => [id, chunk, Math.fround(score)]);

let guide;
let other;
let good;
let server;
let browser;
let page;

before(async () => {
  guide = filesOf(guideIndex);
  // The same pages cut otherwise: another build, with other files.
  const out = at('target/faults/other');
  await index('another build', `${site}docs`, out, '--quiet', '--chunk-tokens', '90');
  other = filesOf(out);
  const opened = await open(guideIndex);
  good = found(await opened.search(QUERY));
  opened.close();
  assert.ok(good.length > 3);
  server = await hostile(guide, emptyPage(site));
  browser = await launch();
  ({ page } = await openPage(browser, `${server.url}/`));
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens the index, asks, and says what came of it: hits, or the error's code. */
const runtimes = {
  async node(between) {
    const opened = await open(`${server.url}/search/`);
    await between();
    try {
      return { hits: found(await opened.search(QUERY, { timeout: TIMEOUT_MS })) };
    } catch ({ code, message }) {
      return { code, message };
    } finally {
      opened.close();
    }
  },
  async chromium(between) {
    await page.evaluate(async () => {
      const { open } = await import('/coracle/coracle-search.js');
      globalThis.index = await open('/search/', { keep: false });
    });
    await between();
    return page.evaluate(
      async ([query, timeout]) => {
        try {
          const { hits } = await globalThis.index.search(query, { timeout });
          return { hits: hits.map(({ id, chunk, score }) => [id, chunk, Math.fround(score)]) };
        } catch ({ code, message }) {
          return { code, message };
        } finally {
          globalThis.index.close();
        }
      },
      [QUERY, TIMEOUT_MS],
    );
  },
  async workerd(between) {
    const worker = await startWorker(`${server.url}/search/`, undefined, { SEARCH_TIMEOUT_MS: String(TIMEOUT_MS) });
    try {
      assert.equal((await worker.get('/health')).status, 200);
      await between();
      const answer = await (await worker.post({ q: QUERY })).json();
      return answer.error ?? { hits: found(answer) };
    } finally {
      await worker.stop();
    }
  },
};

for (const [runtime, ask] of Object.entries(runtimes)) {
  test(`${runtime}_answers_rightly_or_says_what_failed_whatever_the_host_does`, async () => {
    for (const name of Object.keys(faults)) {
      for (const times of [1, Infinity]) {
        server.swap(guide);
        server.fail();
        let start;
        const outcome = await ask(() => {
          server.fail(name, times);
          start = performance.now();
        });
        const took = performance.now() - start;
        const what = `${name}, ${times} times: ${outcome.code ?? 'hits'} ${outcome.message ?? ''}`;
        assert.ok(took < 1.1 * TIMEOUT_MS + 400, `${what}: ${took} ms`);
        if (outcome.hits) assert.deepEqual(outcome.hits, good, what);
        else assert.ok(NAMED.includes(outcome.code), what);
        if (EITHER.includes(name)) continue;
        if (HARMLESS.includes(name)) assert.ok(outcome.hits, what);
        else if (times === Infinity) assert.ok(outcome.code, what);
        else if (!LASTING.includes(name)) assert.ok(outcome.hits, `${what}: a second try would have done`);
      }
    }
  });

  test(`${runtime}_never_mixes_two_builds`, async () => {
    server.fail();
    // The files are replaced while the index is open, with and without the old ones kept.
    const bodies = (build) => [...build.keys()].filter((name) => name !== 'root.cora');
    const [newName] = bodies(other);
    // A folder may hold the files of the build before, too.
    const mixed = new Map([...guide, ...bodies(guide).map((name) => [name, other.get(newName)])]);
    for (const [files, allowed] of [[other, undefined], [mixed, ['damaged', 'source', 'index-unavailable']]]) {
      server.swap(guide);
      const outcome = await ask(() => server.swap(files));
      const fresh = await open(`${server.url}/search/`).then((index) => index.search(QUERY)).then(found, () => undefined);
      if (outcome.hits) assert.deepEqual(outcome.hits, fresh);
      else assert.ok((allowed ?? ['source', 'damaged', 'index-unavailable']).includes(outcome.code), outcome.code);
      if (allowed) assert.ok(outcome.code, 'a build that is not there gives no hits');
    }
  });
}
