// The dialog in a real browser, under the strictest policy it promises to work with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answer, askServer, source } from './support/ask-server.mjs';
import { onSite, tireless } from './support/browser.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = tireless();
let api;
before(async () => {
  api = await askServer();
  api.say(answer('Install the tool [1].', [source(1, 'Installing', 'Install the tool with one command.')]));
});
after(() => Promise.all([browser.close(), api.close()]));

/** Opens a page with the dialog between two buttons; `scripts` are those beside its own. */
function onPage(work, { attributes = '', inside = '', scripts = ['search', 'ask'], html = 'lang="en"', ...options } = {}) {
  const names = [...scripts, 'modal'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`);
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: {
      '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark">${names.join('')}<script type="module" src="/test.js"></script></head>
        <body><main><h1>Test page</h1><button>Before</button>
        <coracle-modal ${attributes}>${inside}</coracle-modal><button>After</button></main></body></html>`,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        document.querySelector('coracle-search').index = new FakeIndex();
        globalThis.ready = true;
        globalThis.heard = [];
        for (const type of ['coracle-open', 'coracle-close']) addEventListener(type, () => heard.push(type), true);
        addEventListener('coracle-select', (event) => event.preventDefault());`,
    },
    headers: { 'content-security-policy': STRICT_POLICY.replace("connect-src 'self'", `connect-src 'self' ${api.origin}`) },
  };
  return onSite(browser, site, options, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.ready);
    await work(page, server);
    assert.deepEqual(complaints, []);
  });
}

const dialog = (page) => page.getByRole('dialog', { name: 'Search' });
const search = (page) => page.getByRole('combobox');
const isOpen = (page) => page.evaluate(() => document.querySelector('coracle-modal').isOpen);
const focused = (page) => page.evaluate(() => document.activeElement.localName + (document.activeElement.textContent || ''));
const closed = (page) => page.waitForFunction(() => !document.querySelector('coracle-modal').hasAttribute('open'));
const withAsk = () => ({ attributes: `ask="${api.api}"` });

test('key_opens_the_dialog_and_escape_leads_back', () =>
  onPage(async (page) => {
    await page.getByRole('button', { name: 'Before' }).focus();
    await page.keyboard.press('Control+k');
    assert.ok(await dialog(page).isVisible());
    assert.equal(await focused(page), 'coracle-search');
    await page.keyboard.type('install');
    await page.waitForSelector('coracle-search[state=results]');
    assert.ok((await page.getByRole('option').count()) > 1);
    await page.keyboard.press('Escape');
    assert.equal(await search(page).inputValue(), '');
    assert.ok(await isOpen(page));
    await page.keyboard.press('Escape');
    await closed(page);
    assert.equal(await focused(page), 'buttonBefore');
    await page.keyboard.press('Control+K');
    await page.keyboard.press('Control+K');
    await closed(page);
    assert.deepEqual(await page.evaluate(() => heard), ['coracle-open', 'coracle-close', 'coracle-open', 'coracle-close']);
  }));

test('page_behind_the_dialog_is_inert', () =>
  onPage(async (page) => {
    await page.getByRole('button', { name: /Search/ }).click();
    assert.equal(await page.evaluate(() => document.documentElement.style.overflow), 'hidden');
    for (let steps = 0; steps < 6; steps += 1) {
      await page.keyboard.press('Tab');
      assert.doesNotMatch(await focused(page), /^button/);
    }
    assert.equal(await page.getByRole('button', { name: 'After' }).evaluate((button) => (button.focus(), document.activeElement === button)), false);
    await page.mouse.click(5, 5);
    await closed(page);
    assert.equal(await page.evaluate(() => document.documentElement.style.overflow), '');
    assert.equal(await focused(page), 'coracle-modal');
    await page.getByRole('button', { name: /Search/ }).click();
    await page.getByRole('button', { name: 'Close' }).click();
    await closed(page);
  }));

test('result_that_is_opened_closes_the_dialog', () =>
  onPage(async (page) => {
    await page.evaluate(() => document.querySelector('coracle-modal').open());
    await search(page).fill('install');
    await page.waitForSelector('coracle-search[state=results]');
    await page.getByRole('option').first().click({ modifiers: ['Control'] });
    assert.ok(await isOpen(page));
    await page.getByRole('option').first().click();
    await closed(page);
  }));

test('question_has_a_tab_of_its_own', () =>
  onPage(
    async (page) => {
      await page.keyboard.press('Control+k');
      await search(page).fill('install');
      assert.equal(await page.getByRole('tab').count(), 2);
      assert.equal(await page.getByRole('tabpanel', { name: 'Search' }).count(), 1);
      await page.getByRole('tab', { name: 'Search' }).focus();
      await page.keyboard.press('ArrowRight');
      assert.equal(await page.getByRole('tab', { name: 'Ask' }).getAttribute('aria-selected'), 'true');
      assert.ok(await search(page).isHidden());
      const question = page.getByRole('textbox', { name: 'Ask a question' });
      assert.equal(await question.inputValue(), 'install');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'coracle-ask');
      await page.keyboard.press('Enter');
      await page.waitForSelector('coracle-ask[state=done]');
      await page.getByRole('button', { name: 'Source 1: Installing' }).press('Enter');
      await page.keyboard.press('Escape');
      assert.ok(await isOpen(page), 'Escape leads back to the citation first');
      await page.keyboard.press('Escape');
      await closed(page);
      await page.evaluate(() => document.querySelector('coracle-modal').open('ask'));
      assert.equal(await page.locator('[part=turn]').count(), 1);
    },
    withAsk(),
  ));

test('nothing_can_be_asked_without_the_script_or_the_service', async () => {
  for (const options of [{ ...withAsk(), scripts: ['search'] }, { scripts: ['search', 'ask'] }]) {
    await onPage(async (page) => {
      await page.evaluate(() => document.querySelector('coracle-modal').open('ask'));
      assert.equal(await page.getByRole('tab').count(), 0);
      assert.equal(await focused(page), 'coracle-search');
    }, options);
  }
});

test('script_that_comes_late_brings_the_tab', () =>
  onPage(
    async (page) => {
      await page.keyboard.press('Control+k');
      assert.equal(await page.getByRole('tab').count(), 0);
      await page.evaluate(() => import('/coracle/coracle-ask.js'));
      await page.getByRole('tab', { name: 'Ask' }).waitFor();
      assert.ok(await search(page).isVisible());
    },
    { ...withAsk(), scripts: ['search'] },
  ));

test('own_fields_own_key_and_no_button', () =>
  onPage(
    async (page) => {
      assert.equal(await page.locator('coracle-search').count(), 1);
      assert.ok(await page.locator('coracle-modal [part=button]').isHidden());
      await page.keyboard.press('Control+k');
      assert.ok(!(await isOpen(page)));
      await page.keyboard.press('s');
      assert.ok(await isOpen(page));
      await page.keyboard.type('sos');
      assert.equal(await page.getByRole('combobox', { name: 'Mine' }).inputValue(), 'sos');
      await page.evaluate(() => document.querySelector('coracle-modal').remove());
      assert.equal(await page.evaluate(() => document.documentElement.style.overflow), '');
    },
    { attributes: 'hotkey="s" no-button', inside: '<coracle-search slot="search" inline label="Mine"></coracle-search>' },
  ));

test('axe_finds_no_violation_in_the_dialog', () =>
  onPage(async (page) => {
    const violations = async () => {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    };
    assert.deepEqual(await violations(), []);
    await page.keyboard.press('Control+k');
    await search(page).fill('install');
    await page.waitForSelector('coracle-search[state=results]');
    assert.deepEqual(await violations(), []);
    await page.getByRole('tab', { name: 'Ask' }).click();
    await page.keyboard.press('Enter');
    await page.waitForSelector('coracle-ask[state=done]');
    assert.deepEqual(await violations(), []);
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.deepEqual(await violations(), []);
  }, withAsk()));

test('narrow_and_right_to_left_pages_hold_it', async () => {
  for (const html of ['lang="en"', 'lang="ar" dir="rtl"']) {
    await onPage(
      async (page) => {
        await page.evaluate(() => document.querySelector('coracle-modal').open());
        const { x, width } = await page.getByRole('dialog').boundingBox();
        assert.ok(x >= 0 && x + width <= 360, `${x} + ${width}`);
        const close = await page.getByRole('button', { name: html.includes('ar') ? 'إغلاق' : 'Close' }).boundingBox();
        assert.equal(close.x < 180, html.includes('rtl'));
      },
      { html, viewport: { width: 360, height: 640 } },
    );
  }
});
