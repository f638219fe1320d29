// The elements in languages other than English: what the files hold, and what pages show of it.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onSite, tireless } from './support/browser.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = here('../../www/src/element/languages/');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const languages = new Map(files.map((name) => [name.slice(0, -5), JSON.parse(readFileSync(folder + name, 'utf8'))]));

const gaps = (phrase) => [...phrase.matchAll(/\{(\w*)\}/g)].map(([, name]) => name).sort();

test('about_thirty_languages_have_the_same_phrases_with_the_same_gaps', () => {
  assert.ok(languages.size >= 30);
  const [[, first]] = languages;
  for (const [language, phrases] of languages) {
    assert.deepEqual(Object.keys(phrases), Object.keys(first), language);
    for (const [key, phrase] of Object.entries(phrases)) {
      assert.equal(typeof phrase, typeof first[key], `${language}.${key}`);
      if (typeof phrase !== 'string') continue;
      assert.ok(phrase.trim() === phrase && phrase !== '', `${language}.${key}`);
      assert.deepEqual(gaps(phrase), gaps(first[key]), `${language}.${key}`);
    }
  }
  const told = [...languages.values()].map((phrases) => JSON.stringify(phrases));
  assert.equal(new Set(told).size, told.length, 'one is a copy of another');
});

test('phrases_have_the_plural_forms_of_their_language_and_the_number_where_they_need_it', () => {
  for (const [language, phrases] of languages) {
    const rules = new Intl.PluralRules(language);
    const numbers = new Map();
    for (let n = 0; n <= 2000; n += 1) numbers.set(rules.select(n), [...(numbers.get(rules.select(n)) ?? []), n]);
    for (const [key, forms] of Object.entries(phrases).filter(([, phrase]) => typeof phrase !== 'string')) {
      for (const form of Object.keys(forms)) assert.ok(rules.resolvedOptions().pluralCategories.includes(form), `${language}.${key}.${form}`);
      for (const [form, which] of numbers) {
        const phrase = forms[form];
        assert.ok(phrase, `${language}.${key}.${form} for ${which[0]}`);
        if (which.length > 1) assert.deepEqual(gaps(phrase), ['n'], `${language}.${key}.${form}`);
      }
      assert.deepEqual(gaps(forms.other), ['n'], `${language}.${key}.other`);
    }
  }
});

const browser = tireless();
after(() => browser.close());

/** Opens a page with the elements in the given language. */
function onPage(html, work, { elements = '<coracle-search></coracle-search>', ...options } = {}) {
  const scripts = ['search', 'modal', 'ask'].map((name) => `<script type="module" src="/coracle/coracle-${name}.js"></script>`).join('');
  const site = {
    mounts: { '/coracle/': here('../../www/dist/'), '/support/': here('support/') },
    pages: {
      '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><meta name="viewport" content="width=device-width">
        ${scripts}<script type="module" src="/test.js"></script></head><body><main><h1>Test page</h1>${elements}</main></body></html>`,
      '/test.js': `import { FakeIndex } from '/support/fake-index.js';
        for (const field of document.querySelectorAll('coracle-search')) field.index = new FakeIndex();
        globalThis.ready = true;`,
    },
    headers: { 'content-security-policy': STRICT_POLICY },
  };
  return onSite(browser, site, options, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.ready);
    await work(page, server);
    assert.deepEqual(complaints, []);
  });
}

const speak = (page, lang) => page.evaluate((lang) => (document.documentElement.lang = lang), lang);
const placeholder = (page, text, element = 'coracle-search') =>
  page.waitForFunction(
    ([element, text]) => document.querySelector(element).shadowRoot.querySelector('[part=input]').placeholder === text,
    [element, text],
  );
const direction = (page) => page.evaluate(() => getComputedStyle(document.querySelector('coracle-search')).direction);

test('every_language_is_shown_when_the_page_turns_to_it', () =>
  onPage('lang="en"', async (page) => {
    for (const [language, { search }] of languages) {
      await speak(page, language);
      await placeholder(page, search);
      const isLeftward = ['ar', 'fa', 'he', 'ur'].includes(language);
      assert.equal(await direction(page), isLeftward ? 'rtl' : 'ltr', language);
    }
    await speak(page, 'en-GB');
    await placeholder(page, 'Search');
    assert.equal(await direction(page), 'ltr');
  }));

test('tags_with_regions_scripts_and_other_names_find_their_language', () =>
  onPage('lang="en"', async (page) => {
    for (const [tag, language] of [['de-AT', 'de'], ['no', 'nb'], ['NN-no', 'nb'], ['zh-CN', 'zh'], ['zh-TW', 'zh-Hant'], ['zh-Hant-HK', 'zh-Hant'], ['PT-br', 'pt']]) {
      await speak(page, tag);
      await placeholder(page, languages.get(language).search);
    }
    // Languages without a file are English; names of three letters are not cut to those of two.
    for (const tag of ['eu', 'fil', 'den', '']) {
      await speak(page, 'de');
      await placeholder(page, 'Suchen');
      await speak(page, tag);
      await placeholder(page, 'Search');
    }
  }));

test('english_pages_and_those_without_a_language_load_nothing_for_it', async () => {
  for (const html of ['lang="en-US"', '']) {
    await onPage(html, async (page, server) => {
      await page.waitForTimeout(200);
      assert.deepEqual(server.asked.filter(({ path }) => /more|languages/.test(path)), []);
    });
  }
});

test('nearest_lang_decides_and_texts_of_the_page_come_first', () =>
  onPage(
    'lang="fr"',
    async (page) => {
      await placeholder(page, 'Rechercher');
      await page.evaluate(() => (document.querySelector('coracle-search').strings = { clear: 'Weg damit' }));
      await page.evaluate(() => (document.querySelector('coracle-search').lang = 'de'));
      await placeholder(page, 'Suchen');
      await page.getByRole('combobox').fill('install');
      assert.ok(await page.getByRole('button', { name: 'Weg damit' }).isVisible());
      await page.getByText('4 Ergebnisse').first().waitFor();
      await speak(page, 'it');
      await page.evaluate(() => document.querySelector('coracle-search').removeAttribute('lang'));
      await page.getByText('4 risultati').first().waitFor();
    },
  ));

test('dialog_and_field_for_questions_speak_the_language_too', () =>
  onPage(
    'lang="pl"',
    async (page) => {
      await page.getByRole('button', { name: 'Szukaj' }).waitFor();
      await placeholder(page, 'Zadaj pytanie', 'coracle-ask');
      await speak(page, 'ja');
      await page.getByRole('button', { name: '検索' }).waitFor();
      await placeholder(page, '質問を入力してください', 'coracle-ask');
      await speak(page, 'en');
      await placeholder(page, 'Ask a question', 'coracle-ask');
    },
    { elements: '<coracle-modal></coracle-modal><coracle-ask></coracle-ask>' },
  ));

test('arabic_is_mirrored_reads_right_and_has_no_violation', () =>
  onPage('lang="ar"', async (page) => {
    await placeholder(page, languages.get('ar').search);
    await page.getByRole('combobox').fill('install');
    await page.waitForSelector('coracle-search[state=results]');
    const box = (part) => page.locator(`coracle-search [part~=${part}]`).first().boundingBox();
    const [field, icon, clear] = [await box('field'), await box('icon'), await box('clear')];
    const middle = field.x + field.width / 2;
    assert.ok(icon.x > middle && clear.x < middle, 'icon right, button left');
    // English titles read from left to right, and stand on the right.
    const title = await page.locator('[part=hit-title]').first().evaluate((node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      return { text: range.getBoundingClientRect().right, box: node.getBoundingClientRect().right };
    });
    assert.ok(Math.abs(title.text - title.box) < 2, JSON.stringify(title));
    assert.equal(await page.locator('[part=count]').innerText(), '4 نتائج');
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
  }));

test('direction_that_the_page_names_stays', () =>
  onPage('lang="he" dir="ltr"', async (page) => {
    await placeholder(page, languages.get('he').search);
    assert.equal(await direction(page), 'ltr');
  }));
