// The demo site: www/demo and the guide's Markdown → public.
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import GithubSlugger from 'github-slugger';
import { Marked, Renderer } from 'marked';
import { parse as parseYaml } from 'yaml';
import { at, say } from './tools.mjs';

const out = at('public');

/**
 * Address of an answering service's `/query`, for the demo's field for questions. Without one there is no
 * such field: `CORACLE_DEMO_ASK=/query npm run build` is for a site that the worker serves, whose
 * `ALLOW_ORIGIN` then names itself.
 */
const ask = process.env.CORACLE_DEMO_ASK ?? '';
const read = (name) => readFileSync(at('www/demo', name), 'utf8');

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text) => text.replace(/[&<>"]/g, (character) => escapes[character]);

/** Fills `{{name}}`s; what comes in is HTML already. */
function filled(template, values) {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name] ?? '');
}

/** What the landing page shows of the benchmarks' records. */
const figures = ['cold.svg', 'growth-cold.svg', 'recall-native.svg'];

/** What the landing page says of them, in kB. */
function recorded() {
  const record = (name) => JSON.parse(readFileSync(at('benches/record', name), 'utf8'));
  const kB = (bytes) => String(Math.round(bytes / 1000));
  const first = (engine) => kB(record('cold.json').find((row) => row.engine === engine).mean_bytes);
  const code = record('sizes.json').reduce((sum, { brotli }) => sum + brotli, 0);
  const growth = record('growth-cold.json').filter(({ chunks }) => Number.isInteger(Math.log10(chunks)));
  const grown = growth.map(({ chunks, mean_bytes }) => `${kB(mean_bytes)} kB of ${chunks.toLocaleString('en')} passages`);
  return { coracle: first('coracle'), pagefind: first('pagefind'), code: kB(code), growth: grown.join(', ') };
}

/** The guide's sections in the order of their headings. */
const sections = {
  guide: 'Guide',
  building: 'Building an index',
  searching: 'Searching',
  serving: 'Serving',
  reference: 'Reference',
  format: 'Inside',
};

/** Where a page of the guide is found. */
const address = (name) => (name === 'index' ? '/docs/' : `/docs/${name}/`);

const renderTable = Renderer.prototype.table;

/** A Markdown page of the guide: anchors like GitHub's. */
function page(name) {
  const text = readFileSync(at('www/docs', name), 'utf8');
  const [, front = '', body] = /^(?:---\n([\s\S]*?)\n---\n)?([\s\S]*)$/.exec(text);
  const slugger = new GithubSlugger();
  const anchored = {
    heading({ tokens, depth, text: title }) {
      return `<h${depth} id="${slugger.slug(title.replace(/[`*]/g, ''))}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    // What may be too wide scrolls by itself, so it must be reachable by keyboard.
    code({ text, lang }) {
      return `<pre tabindex="0"><code class="language-${escaped(lang ?? '')}">${escaped(text)}\n</code></pre>\n`;
    },
    table(token) {
      return `<div class="wide" tabindex="0">${renderTable.call(this, token)}</div>`;
    },
    link({ href, tokens }) {
      // Pages name each other as files, so that the links work in a source browser too.
      const target = href.replace(/^(?:\.\/)?([\w-]+)\.md(#.*)?$/, (_, other, hash) => address(other) + (hash ?? ''));
      return `<a href="${escaped(target)}">${this.parser.parseInline(tokens)}</a>`;
    },
  };
  const html = new Marked({ renderer: anchored }).parse(body);
  const { title, description, order, section, tags } = parseYaml(front);
  return { path: address(name.replace(/\.md$/, '')), markdown: { path: `/docs/${name}`, text: body }, title, description, order, section, tags, html };
}

export async function buildSite() {
  say('demo site');
  for (const stale of ['docs', 'coracle', 'playground', 'figures']) rmSync(`${out}/${stale}`, { recursive: true, force: true });
  mkdirSync(`${out}/coracle`, { recursive: true });
  const connect = /^https?:/.test(ask) ? ` ${new URL(ask).origin}` : '';
  writeFileSync(`${out}/_headers`, filled(read('_headers'), { connect }));
  for (const name of ['site.css', 'site.js', 'icon.svg']) copyFileSync(at('www/demo', name), `${out}/${name}`);
  const scripts = ['search', 'more', 'parts', 'ask', 'modal', 'highlight', 'worker', 'verify'].map((name) => `coracle-${name}.js`);
  for (const name of [...scripts, 'coracle_bg.wasm', 'coracle_rest.wasm']) copyFileSync(at('www/dist', name), `${out}/coracle/${name}`);
  cpSync(at('www/dist/languages'), `${out}/coracle/languages`, { recursive: true });

  for (const name of figures) cpSync(at('benches/record', name), `${out}/figures/${name}`);

  const template = read('template.html');
  const description = 'Hybrid search from static files: words and meaning in one index, no server.';
  const content = filled(read('home.html'), { ...recorded(), ask: ask && filled(read('ask.html'), { api: escaped(ask) }) });
  const head = ask && '<script type="module" src="/coracle/coracle-ask.js"></script>';
  const home = { title: 'Coracle', description, connect, head, class: 'home-page', content };
  writeFileSync(`${out}/index.html`, filled(template, home));

  cpSync(at('www/demo/playground'), `${out}/playground`, { recursive: true, filter: (name) => !name.endsWith('.html') });
  const playground = {
    title: 'Playground · Coracle',
    description: 'Searches the guide and shows why each hit ranks where it does, what was read, and where it lies in the corpus.',
    head: '<link rel="stylesheet" href="/playground/playground.css" /><script type="module" src="/playground/playground.js"></script>',
    content: read('playground/page.html'),
  };
  writeFileSync(`${out}/playground/index.html`, filled(template, playground));

  const guide = readdirSync(at('www/docs')).filter((name) => name.endsWith('.md')).map(page);
  guide.sort((a, b) => a.order - b.order);
  const search = '<coracle-search src="/search/" highlight-param="highlight" hotkey="/" placeholder="Search the guide" label="Search the guide"></coracle-search>';
  for (const { path, markdown, title, description, section, tags, html } of guide) {
    const facts = Object.entries({ section: [section], tags }).flatMap(([field, values]) =>
      values.map((value) => `<meta data-pagefind-filter="${field}[content]" content="${escaped(value)}" />`),
    );
    const main = `<main id="main" class="prose" data-pagefind-body>${facts.join('')}${html}${neighbours(guide, path)}</main>`;
    const values = {
      title: `${escaped(title)} · Coracle`,
      description: escaped(description),
      connect,
      head: `<link rel="alternate" type="text/markdown" href="${markdown.path}" /><script type="module" src="/coracle/coracle-highlight.js"></script>`,
      class: 'guide',
      search,
      content: `<div class="guide-page">${contents(guide, path)}${main}</div>`,
    };
    mkdirSync(out + path, { recursive: true });
    writeFileSync(`${out}${path}index.html`, filled(template, values));
    // The same for programs: links between pages are names of such files already.
    writeFileSync(out + markdown.path, markdown.text);
  }
  writeFileSync(`${out}/llms.txt`, forModels(guide, description));
  writeFileSync(`${out}/llms-full.txt`, ordered(guide).map(({ markdown }) => markdown.text.trim()).join('\n\n'));
}

/** The guide's pages in the order of the contents. */
function ordered(guide) {
  return Object.keys(sections).flatMap((section) => guide.filter((page) => page.section === section));
}

/** The contents as language models look for them, see https://llmstxt.org. */
function forModels(guide, description) {
  const groups = Object.entries(sections).map(([section, heading]) => {
    const pages = guide.filter((page) => page.section === section);
    return `## ${heading}\n\n${pages.map(({ title, markdown, description }) => `- [${title}](${markdown.path}): ${description}`).join('\n')}`;
  });
  return `# Coracle\n\n> ${description}\n\nAll pages in one file: [llms-full.txt](/llms-full.txt).\n\n${groups.join('\n\n')}\n`;
}

/** All pages under the headings of their sections; folded away on narrow screens. */
function contents(guide, path) {
  const groups = Object.entries(sections).map(([section, heading]) => {
    const links = guide
      .filter((page) => page.section === section)
      .map((page) => `<li><a href="${page.path}"${page.path === path ? ' aria-current="page"' : ''}>${escaped(page.title)}</a></li>`);
    return `<h2>${heading}</h2><ul>${links.join('')}</ul>`;
  });
  return `<nav class="contents" aria-label="Guide" data-pagefind-ignore><details open><summary>Contents</summary>${groups.join('')}</details></nav>`;
}

/** The way on, and back, in the order of the contents. */
function neighbours(guide, path) {
  const pages = ordered(guide);
  const here = pages.findIndex((page) => page.path === path);
  const link = (page, rel, word) => (page ? `<a rel="${rel}" href="${page.path}"><span>${word}</span>${escaped(page.title)}</a>` : '');
  const links = link(pages[here - 1], 'prev', 'Before') + link(pages[here + 1], 'next', 'Next');
  return `<nav class="neighbours" aria-label="Neighbouring pages" data-pagefind-ignore>${links}</nav>`;
}
