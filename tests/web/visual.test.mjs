// The elements as they look, beside pictures of how they are to look. Pictures hold for one browser and one
// set of fonts, which are recorded with them: elsewhere the comparison is skipped, and says so.
// `npm run baselines` makes them anew; look at each before it is kept.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import pixelmatch from 'pixelmatch';
import { PNG } from 'pngjs';
import { answer, askServer, source } from './support/ask-server.mjs';
import { onSite, tireless } from './support/browser.mjs';
import { at } from './support/project.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const folder = at('tests/web/baselines');
const machine = `${folder}/machine.json`;
const renews = process.env.RENEW_BASELINES !== undefined;
const MOST_BYTES = 40_000;
/** Part of the pixels that may differ: edges of letters are not the same in every run. */
const TOLERATED = 0.002;

const browser = tireless();
let api;
let here;
let skip = false;
before(async () => {
  api = await askServer();
  api.say(
    answer(
      'Install the tool **with one command** [1]. It runs on:\n\n- Linux and macOS [1]\n- Windows, in a terminal [2]\n\nPenguins live in `Antarctica` [2].',
      [
        source(1, 'Installing the tool', 'Clone the repository first. Then install the tool with one command.', { headings: ['From source', 'Linux'] }),
        source(2, 'Smart pointers', 'A smart pointer owns an object and frees it.'),
        source(3, 'Elsewhere', 'Something else.'),
      ],
      { doubtful: [2] },
    ),
  );
  const fonts = spawnSync('fc-list', [':', 'family'], { encoding: 'utf8' }).stdout ?? '';
  const digest = createHash('sha256').update(fonts.split('\n').sort().join('\n')).digest('hex').slice(0, 16);
  here = { chromium: await browser.use((browser) => browser.version()), fonts: digest };
  if (renews) return;
  const there = JSON.parse(readFileSync(machine, 'utf8'));
  if (there.chromium !== here.chromium || there.fonts !== here.fonts) {
    skip = `pictures are of ${JSON.stringify(there)}, this machine has ${JSON.stringify(here)}`;
  }
});
after(() => Promise.all([browser.close(), api.close()]));

const style = `body { margin: 24px; font-family: sans-serif; } .page { display: grid; grid-template-columns: 190px 1fr; gap: 24px; margin-top: 16px; }`;
const typed = async (page) => {
  await page.locator('coracle-search input').fill('smrt install');
  await page.waitForSelector('coracle-search[state=results]');
};
const field = '<coracle-search placeholder="Search the guide"></coracle-search>';
const select = async (page) => {
  await page.locator('coracle-search input').fill('install');
  await page.waitForSelector('coracle-search[state=results]');
  await page.keyboard.press('ArrowDown');
};

/** Scenes: elements, what is done with them, and how the page is opened. */
const scenes = {
  light: [field, select],
  dark: [field, select, { colorScheme: 'dark' }],
  mobile: [field, select, { viewport: { width: 375, height: 600 } }],
  arabic: [field.replace(/ placeholder="[^"]*"/, ''), select, { html: 'lang="ar"' }],
  dialog: ['<h1>A page</h1><coracle-modal></coracle-modal>', async (page) => {
    await page.keyboard.press('Control+k');
    await typed(page);
  }],
  parts: [`${field}<div class="page"><coracle-facets fields="section tags"></coracle-facets><coracle-results></coracle-results></div>`, async (page) => {
    await typed(page);
    await page.getByRole('checkbox', { name: 'tool' }).check();
    await page.getByText('Clear filters').waitFor();
  }],
  ask: ['<coracle-ask></coracle-ask>', async (page) => {
    await page.getByRole('textbox').fill('How do I install it?');
    await page.keyboard.press('Enter');
    await page.waitForSelector('coracle-ask[state=done]');
    await page.getByRole('button', { name: 'Source 1: Installing the tool' }).first().press('Enter');
  }],
  recent: ['<coracle-search recent lang="de"></coracle-search>', async (page) => {
    await page.evaluate(() => localStorage.setItem(`coracle-recent ${location.origin}/search/`, JSON.stringify(['install', 'smart pointers', 'how do I free an object?'])));
    await page.reload();
    await page.getByText('Letzte Suchen löschen').waitFor({ state: 'attached' });
    await page.locator('coracle-search input').focus();
    await page.keyboard.press('Tab');
  }, { viewport: { width: 640, height: 320 } }],
  failure: [field, async (page) => {
    await page.evaluate(() => (document.querySelector('coracle-search').index.failing = true));
    await page.locator('coracle-search input').fill('install');
    await page.waitForSelector('coracle-search[state=error]');
  }, { viewport: { width: 700, height: 280 } }],
  map: ['<main class="playground"><section><div data-map></div></section></main>', (page) => page.locator('[data-map] a').nth(4).waitFor(), {
    head: ['site', 'playground/playground'].map((name) => `<link rel="stylesheet" href="/demo/${name}.css">`).join(''),
    script: `import { drawMap } from '/demo/playground/map.js';
      const map = ${JSON.stringify(spirals())};
      drawMap(document.querySelector('[data-map]'), map).show([5, 60, 61, 130, 170].map((chunk) => ({ chunk, title: 'Page ' + chunk })));`,
    viewport: { width: 640, height: 560 },
  }],
};

/** A map of 180 passages: three groups, each an arm of a spiral. */
function spirals() {
  const passages = Array.from({ length: 180 }, (_, at) => ({ group: at % 3, turn: Math.floor(at / 3) / 12 + ((at % 3) * 2 * Math.PI) / 3, reach: 40 + 6 * Math.floor(at / 3) }));
  return {
    x: passages.map(({ turn, reach }) => Math.round(500 + reach * Math.cos(turn))),
    y: passages.map(({ turn, reach }) => Math.round(400 + 0.8 * reach * Math.sin(turn))),
    group: passages.map(({ group }) => group),
    document: passages.map((_, at) => Math.floor(at / 9)),
    documents: Array.from({ length: 20 }, (_, at) => [`Page ${at}`]),
    groups: ['Building', 'Searching', 'Answering'].map((title) => ({ titles: [title, `${title} more`], chunks: 60 })),
  };
}

for (const [name, [elements, act, { html = 'lang="en"', head = '', script = '', ...options } = {}]] of Object.entries(scenes)) {
  test(`elements_look_as_they_did_${name}`, (context) => {
    if (skip) return context.skip(skip);
    const site = {
      mounts: { '/coracle/': at('www/dist/'), '/support/': at('tests/web/support/'), '/demo/': at('www/demo/') },
      pages: {
        '/index.html': `<!doctype html><html ${html}><head><meta charset="utf-8"><title>Test page</title><meta name="color-scheme" content="light dark">
          <meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">${head}
          ${['search', 'parts', 'modal', 'ask'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('')}
          <script type="module" src="/test.js"></script></head><body>${elements}</body></html>`,
        '/page.css': style,
        '/test.js': `import { FakeIndex } from '/support/fake-index.js';
          for (const field of document.querySelectorAll('coracle-search')) field.index = new FakeIndex();
          for (const ask of document.querySelectorAll('coracle-ask')) ask.setAttribute('api', '${api.api}');
          ${script}
          globalThis.ready = true;`,
      },
      headers: { 'content-security-policy': `${STRICT_POLICY.replace("connect-src 'self'", `connect-src 'self' ${api.origin}`)}; img-src data:` },
    };
    const look = { viewport: { width: 640, height: 520 }, reducedMotion: 'reduce', ...options };
    return onSite(browser, site, look, async (page) => {
      await page.waitForFunction(() => globalThis.ready);
      await act(page);
      // The pointer aims at nothing, and what is still on its way arrives.
      await page.mouse.move(0, 0);
      await page.waitForTimeout(300);
      compare(name, small(await page.screenshot({ animations: 'disabled', scale: 'css' })));
    });
  });
}

/** The picture with sixteen shades of each colour, which is half the bytes. */
function small(screenshot) {
  const picture = PNG.sync.read(screenshot);
  picture.data.forEach((value, at) => (picture.data[at] = Math.round(value / 17) * 17));
  return PNG.sync.write(picture, { colorType: 2, deflateLevel: 9 });
}

function compare(name, taken) {
  const file = `${folder}/${name}.png`;
  assert.ok(taken.length <= MOST_BYTES, `${name}.png has ${taken.length} bytes, ${MOST_BYTES} are allowed`);
  if (renews) {
    writeFileSync(file, taken);
    writeFileSync(machine, `${JSON.stringify(here, null, 2)}\n`);
    return;
  }
  assert.ok(existsSync(file), `${file} is missing: npm run baselines`);
  const [is, was] = [PNG.sync.read(taken), PNG.sync.read(readFileSync(file))];
  assert.deepEqual([is.width, is.height], [was.width, was.height]);
  const difference = new PNG({ width: is.width, height: is.height });
  const pixels = pixelmatch(was.data, is.data, difference.data, is.width, is.height, { threshold: 0.15 });
  if (pixels <= TOLERATED * is.width * is.height) return;
  const shots = at('target/screenshots');
  mkdirSync(shots, { recursive: true });
  writeFileSync(`${shots}/${name}-is.png`, taken);
  writeFileSync(`${shots}/${name}-difference.png`, PNG.sync.write(difference));
  assert.fail(`${pixels} pixels differ: ${shots}/${name}-difference.png`);
}
