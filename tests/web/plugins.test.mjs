// Plugins for site generators: each finds its project's pages in the development server and in the build.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { cli } from '../../www/build/search.mjs';
import coracle from '../../www/dist/plugin/vite.js';
import { open } from '../../www/dist/server.js';
import { answered, openPage, tireless } from './support/browser.mjs';
import { build, copyOf, installPackage, withDevServer } from './support/generator.mjs';
import { at } from './support/project.mjs';
import { serve } from './support/server.mjs';

/** Pages are few, machines may be busy. */
const PATIENCE = 180_000;

const generators = [
  {
    name: 'vite',
    build: ['vite/bin/vite.js', 'build'],
    dev: ['vite/bin/vite.js', '--strictPort'],
    out: 'dist',
    query: 'yellow buoys',
    hit: '/moorings/#visitors',
    heading: 'Moorings',
    // Shown by nothing that Vite knows of: the option `content` names it.
    changed: 'content/tides.md',
    changedHit: '/notes/tides/',
  },
  {
    name: 'astro',
    build: ['astro/astro.js', 'build'],
    dev: ['astro/astro.js', 'dev'],
    out: 'dist',
    // No word of it is on a page: this project has the default embedder.
    query: 'secure a vessel',
    hit: '/guides/tying-up/#for-visitors',
    heading: 'Tying up',
    changed: 'src/content/docs/guides/Tying up.md',
    changedHit: '/guides/tying-up/',
    // A page of the project's own, with a field of its own.
    elsewhere: { page: 'weather/', query: 'barometer', hit: '/weather/' },
  },
  {
    name: 'vitepress',
    build: ['vitepress/bin/vitepress.js', 'build'],
    dev: ['vitepress/bin/vitepress.js', 'dev', '--strictPort'],
    out: '.vitepress/dist',
    base: '/manual/',
    query: 'yellow buoys',
    hit: '/manual/guide/moorings#for-visitors',
    heading: 'Moorings',
    changed: 'guide/moorings.md',
    changedHit: '/manual/guide/moorings',
  },
  {
    name: 'docusaurus',
    build: ['@docusaurus/core/bin/docusaurus.mjs', 'build', '--no-minify'],
    dev: ['@docusaurus/core/bin/docusaurus.mjs', 'start', '--no-open'],
    out: 'build',
    base: '/site/',
    query: 'yellow buoys',
    hit: '/site/moorings#for-visitors',
    heading: 'Moorings',
    changed: 'docs/moorings.mdx',
    changedHit: '/site/moorings',
    // A post, and none of the lists that it is in.
    elsewhere: { page: '', query: 'ferry boats', hit: '/site/blog/ferry' },
  },
];

const browser = tireless();
before(installPackage);
after(() => browser.close());

/** Types a query into the page's search, and returns the first hit. */
async function search(page, query) {
  const modal = page.locator('coracle-modal');
  await page.locator('coracle-modal, coracle-search').first().waitFor({ state: 'attached' });
  if ((await modal.count()) > 0) {
    await page.waitForFunction(() => customElements.get('coracle-modal'));
    await modal.locator('[part=button]').click();
  }
  const field = page.locator('coracle-search');
  await field.locator('input').fill(query);
  await answered(page, query);
  assert.notEqual(await field.getAttribute('state'), 'empty', `nothing found for ${query}`);
  return field.locator('[part~=hit]').first();
}

/** The address of a hit, with addresses that differ in a slash made equal. */
const addressOf = (hit) => hit.evaluate(({ pathname, hash }) => pathname + hash);
const slashless = (address) => address.replace(/\/(?=#|$)/, '');

/** Searches, on a page loaded anew each time, until a hit leads there. */
async function until(browser, url, query, wanted, use = () => {}) {
  const late = Date.now() + PATIENCE;
  for (;;) {
    const { page } = await openPage(browser, url);
    try {
      page.setDefaultTimeout(20_000);
      const hit = await search(page, query);
      const found = await addressOf(hit);
      assert.equal(slashless(found).replace(/#.*/, wanted.includes('#') ? '$&' : ''), slashless(wanted));
      return await use(page, hit);
    } catch (thrown) {
      // Development servers load a page again when they have found out what it needs.
      if (Date.now() > late || !browser.isConnected()) throw thrown;
      await new Promise((done) => setTimeout(done, 250));
    } finally {
      await page.context().close();
    }
  }
}

async function follow(page, hit, { hit: wanted, heading }) {
  await hit.click();
  await page.waitForURL((url) => slashless(url.pathname + url.hash) === slashless(wanted));
  await page.getByRole('heading', { level: 1, name: heading }).waitFor();
}

for (const generator of generators) {
  const { name, base = '/', query, hit, elsewhere } = generator;

  test(`${name}: the finished site answers`, async () => {
    const folder = await copyOf(name);
    await build(folder, generator.build);
    await browser.use(async (browser) => {
      const server = await serve({ mounts: { [base]: join(folder, generator.out) } });
      try {
        const { page, complaints } = await openPage(browser, server.url + base);
        const first = await search(page, query);
        assert.equal(slashless(await addressOf(first)), slashless(hit));
        await follow(page, first, generator);
        if (elsewhere) await until(browser, server.url + base + elsewhere.page, elsewhere.query, elsewhere.hit);
        assert.deepEqual(complaints.filter((text) => !/favicon/.test(text) && !/404 \(Not Found\)/.test(text)), []);
        await page.context().close();
      } finally {
        await server.close();
      }
    });
  });

  test(`${name}: the development server answers, and knows what is changed`, async () => {
    const folder = await copyOf(name);
    await withDevServer(folder, generator.dev, base, async (origin) => {
      await browser.use((browser) => until(browser, origin + base, query, hit, (page, first) => follow(page, first, generator)));

      if (elsewhere) await browser.use((browser) => until(browser, origin + base + elsewhere.page, elsewhere.query, elsewhere.hit));

      const root = await fetch(`${origin}${base}coracle/root.cora`, { headers: { range: 'bytes=0-9' } });
      assert.equal(root.status, 206);
      assert.equal((await root.arrayBuffer()).byteLength, 10);
      const module = await fetch(`${origin}${base}coracle/coracle_bg.wasm`, { method: 'HEAD' });
      assert.equal(module.headers.get('content-type'), 'application/wasm');

      await appendFile(join(folder, generator.changed), '\nThe ferry carries bicycles.\n');
      await browser.use((browser) => until(browser, origin + base, 'bicycles', generator.changedHit));
    });
  });
}

test('configurations in TypeScript are checked', async () => {
  const { stdout } = await promisify(execFile)(at('node_modules/.bin/tsc'), ['-p', at('tests/plugins/types')]).catch((failed) => failed);
  assert.equal(stdout, '');
});

/** What of Vite the plugin uses, around a folder: a server whose index follows `changed`. */
async function withVite(files, options, work) {
  process.env.CORACLE_BINARY = cli;
  const root = await mkdtemp(join(tmpdir(), 'coracle-vite-'));
  const write = async (name, text) => {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), text);
  };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  const said = [];
  const logger = { info: (text) => said.push(text), warn: (text) => said.push(text) };
  const plugin = coracle({ embedder: 'none', ...options });
  plugin.configResolved({ root, base: '/base/', publicDir: join(root, 'public'), build: { outDir: 'dist', ssr: false }, logger });
  let handle;
  let changed;
  plugin.configureServer({ middlewares: { use: (given) => (handle = given) }, watcher: { on: (_, heard) => (changed = (name) => heard('change', join(root, name))) } });
  const server = createServer((request, response) => handle(request, response, () => response.writeHead(418).end('not the plugin')));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const ask = (name, init) => fetch(`${origin}/base/coracle/${name}`, init);
  const says = async (pattern) => {
    while (!said.some((text) => pattern.test(text))) await new Promise((done) => setTimeout(done, 20));
    return said.splice(0).join('\n');
  };
  try {
    await work({ ask, origin, write, changed: (name) => changed(name), says });
  } finally {
    await new Promise((done) => server.close(done) && server.closeAllConnections());
    await rm(root, { recursive: true, force: true });
  }
}

const page = (text) => `<!doctype html><html lang="en"><title>T</title><main><h1>T</h1><p>${text}</p></main></html>`;

test('without pages the development server says why there is no index, until there is one', () =>
  withVite({}, {}, async ({ ask, write, changed, says }) => {
    const none = await ask('root.cora');
    assert.equal(none.status, 503);
    assert.match(await none.text(), /nothing|no documents/i);
    await says(/no search index/);
    await write('index.html', page('harbour'));
    changed('index.html');
    await says(/pages indexed/);
    assert.equal((await ask('root.cora')).status, 200);
  }));

test('the development server answers ranges, and nothing that is not its own', () =>
  withVite({ 'index.html': page('harbour'), 'public/plain.html': page('pier'), 'dist/old.html': page('wreck') }, {}, async ({ ask, origin }) => {
    const whole = Buffer.from(await (await ask('root.cora')).arrayBuffer());
    const part = await ask('root.cora', { headers: { range: 'bytes=4-' } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), `bytes 4-${whole.length - 1}/${whole.length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(4));
    const beyond = await ask('root.cora', { headers: { range: `bytes=${whole.length}-` } });
    assert.equal(beyond.status, 416);
    const head = await ask('coracle-search.js', { method: 'HEAD' });
    assert.equal(head.headers.get('content-type'), 'text/javascript');
    assert.equal(await head.text(), '');
    assert.equal((await ask('0123456789abcdef.cora')).status, 404);
    for (const name of ['', 'build.js', '../package.json', 'coracle-none.js']) assert.notEqual((await ask(name)).status, 200, name);
    assert.equal((await fetch(`${origin}/coracle/root.cora`)).status, 418, 'below another base');

    const index = await open(`${origin}/base/coracle/`);
    const urls = async (query) => (await index.search(query)).hits.map(({ url }) => url);
    assert.deepEqual(await urls('harbour'), ['/base/']);
    assert.deepEqual(await urls('pier'), ['/base/plain.html']);
    assert.deepEqual(await urls('wreck'), []);
    await index.close();
  }));

test('sources are pages at the addresses of their generator', () =>
  withVite(
    {
      'notes/index.md': '# Home\n\nalpha',
      'notes/deep/README.md': '# Deep\n\nbravo',
      'notes/named.md': '---\nslug: other/name\nurl: /wrong/\n---\ncharlie',
      'notes/part.mdx': 'import X from "x";\n\n## Part\n\n<X>delta</X>\n\n:::tip\necho\n:::\n',
      'notes/page.html': page('foxtrot'),
      'notes/draft.md': '---\ndraft: true\n---\ngolf',
      'notes/_private.md': 'hotel',
      'notes/left/out.md': 'kilo',
      'notes/script.md': '<script setup>\nconst india = 1;\n</script>\n\n# Script\n\njuliet',
    },
    { content: { '/n/': 'notes' }, exclude: '/n/left/' },
    async ({ origin }) => {
        const index = await open(`${origin}/base/coracle/`);
      const found = {};
      for (const word of ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliet', 'kilo']) {
        const { hits, corrections } = await index.search(word);
        found[word] = corrections.length > 0 ? [] : hits.map(({ url }) => url).filter((url) => url.startsWith('/base/n/'));
      }
      assert.deepEqual(found, {
        alpha: ['/base/n/'],
        bravo: ['/base/n/deep/'],
        charlie: ['/base/n/other/name/'],
        delta: ['/base/n/part/'],
        echo: ['/base/n/part/'],
        foxtrot: ['/base/n/page/'],
        golf: [],
        hotel: [],
        india: [],
        juliet: ['/base/n/script/'],
        kilo: [],
      });
      await index.close();
    },
  ));
