// With a public key, what its owner signed or an error: in every runtime, every layout, whatever was
// done to the files.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { open } from '@coracle-search/coracle';
import { index } from '../../www/build/search.mjs';
import { answered, launch, openPage } from './support/browser.mjs';
import { startWorker } from './support/edge.mjs';
import { emptyPage, filesOf, hostile } from './support/hostile.mjs';
import { at, site } from './support/project.mjs';

const QUERY = 'how are byte ranges cached';
const SEAL_BYTES = 92;
const folder = at('target/signing');

const found = ({ hits }) => hits.map(({ id, chunk, score }) => [id, chunk, Math.fround(score)]);

/** A key pair: the file to sign with, and the public key as readers are given it. */
function keyPair(name) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const file = `${folder}/${name}.pem`;
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return { file, public: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') };
}

async function build(out, key, pages, ...options) {
  const input = `${folder}/pages-${pages.length}`;
  for (const page of pages) cpSync(`${site}docs/${page}`, `${input}/${page}`, { recursive: true });
  await index('signing', input, `${folder}/${out}`, '--quiet', ...(key ? ['--sign', key.file] : []), ...options);
  return out.endsWith('.bundle') ? readFileSync(`${folder}/${out}`) : filesOf(`${folder}/${out}`);
}

let owner;
let stranger;
let files;
let good;
let pages;
let server;
let browser;
let page;

before(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  owner = keyPair('owner');
  stranger = keyPair('stranger');
  const names = ['hosting', 'widget'];
  files = {
    range: await build('range', owner, names),
    split: await build('split', owner, names, '--layout', 'split', '--part-bytes', '20000'),
    bundle: await build('index.bundle', owner, names, '--layout', 'bundle'),
    unsigned: await build('unsigned', undefined, names),
    // The same site later, by the owner and by somebody else.
    later: await build('later', owner, [...names, 'privacy-and-security']),
    foreign: await build('foreign', stranger, [...names, 'privacy-and-security']),
  };
  const plain = await open(`${folder}/unsigned`);
  good = found(await plain.search(QUERY, { group: 'chunk' }));
  plain.close();
  assert.ok(good.length > 3);
  // With the worker's script preloaded: the thread then runs a copy of it, at another address.
  const html = (key) => `<!doctype html><title>Search</title><link rel="icon" href="data:,">
    <link rel="preload" as="fetch" crossorigin href="/coracle/coracle-worker.js">
    <script type="module" src="/coracle/coracle-search.js"></script><coracle-search src="/search/" public-key="${key}"></coracle-search>`;
  pages = emptyPage(site, 'coracle-verify.js');
  pages.set('/owner', { type: 'text/html', body: Buffer.from(html(owner.public)) });
  server = await hostile(files.range, pages);
  browser = await launch();
  ({ page } = await openPage(browser, `${server.url}/`));
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens what the server has, or a bundle, with a key; the hits, or the error's code. */
const runtimes = {
  async node(publicKey, bundle) {
    try {
      const opened = await open(bundle ?? `${server.url}/search/`, { publicKey });
      const result = await opened.search(QUERY, { group: 'chunk' });
      opened.close();
      return found(result);
    } catch ({ code, message }) {
      assert.ok(message.length > 15, message);
      return code;
    }
  },
  async chromium(publicKey, bundle, keep = false) {
    pages.set('/index.bundle', { body: bundle });
    const hits = await page.evaluate(
      async ([query, publicKey, bundle, keep]) => {
        const { open } = await import('/coracle/coracle-search.js');
        try {
          const from = bundle ? new Uint8Array(await (await fetch('/index.bundle')).arrayBuffer()) : '/search/';
          const index = await open(from, { publicKey, keep });
          const { hits } = await index.search(query, { group: 'chunk' });
          // What is kept of this search is there for the next one.
          if (keep) await new Promise((done) => setTimeout(done, 300));
          index.close();
          return hits.map(({ id, chunk, score }) => [id, chunk, Math.fround(score)]);
        } catch ({ code }) {
          return code;
        }
      },
      [QUERY, publicKey, bundle !== undefined, keep],
    );
    return hits;
  },
  async workerd(publicKey) {
    const worker = await startWorker(`${server.url}/search/`, undefined, publicKey !== undefined ? { PUBLIC_KEY: publicKey } : {});
    try {
      const answer = await (await worker.post({ q: QUERY, group: 'chunk' })).json();
      return answer.error?.code ?? found(answer);
    } finally {
      await worker.stop();
    }
  },
};

/** A copy of an index with one of its files changed. */
function changed(of, name, change) {
  const copy = Buffer.from(of.get(name));
  return new Map([...of, [name, change(copy) ?? copy]]);
}

const root = 'root.cora';
const pageFileOf = (of) => {
  const seal = of.get(root).subarray(-SEAL_BYTES);
  return `${seal.readBigUInt64LE(12).toString(16).padStart(16, '0')}.cora`;
};
const partsOf = (of) => [...of.keys()].filter((name) => name !== root && name !== pageFileOf(of));
/** Flips a bit in every 256 bytes. */
const flip = (bytes) => {
  for (let at = 100; at < bytes.length; at += 256) bytes[at] ^= 1;
};

for (const [runtime, ask] of Object.entries(runtimes)) {
  const refusal = runtime === 'workerd' ? 'index-unavailable' : 'signature';

  test(`${runtime}_finds_in_a_signed_index_what_it_finds_in_an_unsigned_one`, async () => {
    for (const layout of ['range', 'split']) {
      server.swap(files[layout]);
      assert.deepEqual(await ask(owner.public), good, layout);
      assert.deepEqual(await ask(`${stranger.public} ${owner.public}`), good, layout);
      assert.deepEqual(await ask(undefined), good, layout);
    }
    if (runtime === 'workerd') return;
    assert.deepEqual(await ask(owner.public, files.bundle), good);
    assert.deepEqual(await ask(undefined, files.bundle), good);
  });

  test(`${runtime}_refuses_what_the_owner_did_not_sign`, async () => {
    const { range, split, unsigned, later, foreign } = files;
    const withoutPages = new Map(range);
    withoutPages.delete(pageFileOf(range));
    const newer = later.get(root);
    const older = Buffer.concat([newer.subarray(0, -SEAL_BYTES), range.get(root).subarray(-SEAL_BYTES)]);
    const cases = {
      'unsigned': unsigned,
      'signed by a stranger': foreign,
      'altered root': changed(range, root, (bytes) => void (bytes[30] ^= 1)),
      'altered part': changed(range, partsOf(range)[0], flip),
      'altered parts of a split index': partsOf(split).reduce((of, name) => changed(of, name, flip), split),
      'altered pages': changed(range, pageFileOf(range), flip),
      'no page file': withoutPages,
      'older signature beside a newer root': new Map([...range, ...later, [root, older]]),
      'pages of another index': changed(range, pageFileOf(range), () => later.get(pageFileOf(later))),
    };
    for (const [what, of] of Object.entries(cases)) {
      server.swap(of);
      assert.equal(await ask(owner.public), refusal, what);
    }
    server.swap(range);
    assert.equal(await ask(stranger.public), refusal);
    for (const bad of ['', 'no key', Buffer.alloc(44).toString('base64')]) {
      assert.equal(await ask(bad), runtime === 'workerd' ? refusal : 'public-key', bad);
    }
    if (runtime === 'workerd') return;
    const bundle = Buffer.from(files.bundle);
    flip(bundle.subarray(20_000));
    assert.equal(await ask(owner.public, bundle), refusal);
  });
}

test('bytes_kept_without_a_key_are_checked_with_one', async () => {
  // A visit without a key keeps forged bytes; the next one, with a key, gets them replaced.
  server.swap(files.range);
  assert.deepEqual(await runtimes.chromium(owner.public, undefined, true), good);
  await page.evaluate(async () => {
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const bytes = new Uint8Array(await (await cache.match(request)).arrayBuffer());
        bytes.forEach((byte, at) => (bytes[at] = byte ^ 1));
        await cache.put(request, new Response(bytes));
      }
    }
  });
  assert.deepEqual(await runtimes.chromium(owner.public, undefined, true), good);
});

test('worker_follows_a_signed_index_to_its_next_build_and_to_no_other', async () => {
  server.swap(files.range);
  const worker = await startWorker(`${server.url}/search/`, undefined, { PUBLIC_KEY: owner.public });
  try {
    const ask = async (q) => (await (await worker.post({ q, group: 'chunk' })).json());
    assert.deepEqual(found(await ask(QUERY)), good);
    server.swap(files.later);
    const { hits } = await ask('who can read an index');
    assert.match(hits[0].id, /privacy/);
    server.swap(files.foreign);
    const { error } = await ask('what the hotkey attribute means');
    assert.equal(error?.code, 'index-unavailable');
  } finally {
    await worker.stop();
  }
});

test('field_with_a_key_shows_what_was_signed_and_follows_a_redeploy', async () => {
  server.swap(files.range);
  const { page, complaints } = await openPage(browser, `${server.url}/owner`);
  const loaded = [];
  page.context().on('request', (request) => loaded.push(request.url()));
  await page.locator('coracle-search input').fill('hotkey');
  await answered(page, 'hotkey');
  assert.equal(loaded.filter((url) => url.endsWith('coracle-verify.js')).length, 1);
  server.swap(files.later);
  await page.locator('coracle-search input').fill('weakness');
  await answered(page, 'weakness');
  assert.match(await page.locator('coracle-search [role=option]').first().textContent(), /Privacy/);
  server.swap(files.foreign);
  await page.reload();
  await page.locator('coracle-search input').fill('hotkey');
  await page.locator('coracle-search[state=error]').waitFor();
  assert.match(await page.locator('coracle-search [part=message]').textContent(), /not signed by the owner/);
  assert.deepEqual(complaints.filter((complaint) => !/404/.test(complaint)), []);
  await page.context().close();
});

test('without_a_key_nothing_is_loaded_that_checks_signatures', async () => {
  server.swap(files.range);
  const loaded = [];
  const listen = (request) => loaded.push(request.url());
  page.context().on('request', listen);
  await runtimes.chromium(undefined);
  page.context().off('request', listen);
  assert.ok(loaded.length > 0);
  assert.ok(!loaded.some((url) => url.endsWith('coracle-verify.js')));
});
