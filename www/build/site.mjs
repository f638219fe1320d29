// The demo site: www/demo and the guide's Markdown → public.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import GithubSlugger from 'github-slugger';
import { Marked } from 'marked';
import { parse as parseYaml } from 'yaml';
import { at, say } from './tools.mjs';

const out = at('public');
const read = (name) => readFileSync(at('www/demo', name), 'utf8');

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text) => text.replace(/[&<>"]/g, (character) => escapes[character]);

/** Fills `{{name}}`s; what comes in is HTML already. */
function filled(template, values) {
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name] ?? '');
}

/** A Markdown page of the guide: title from its first heading, anchors like GitHub's. */
function page(name) {
  const text = readFileSync(at('www/docs', name), 'utf8');
  const [, front = '', body] = /^(?:---\n([\s\S]*?)\n---\n)?([\s\S]*)$/.exec(text);
  const slugger = new GithubSlugger();
  const anchored = {
    heading({ tokens, depth, text: title }) {
      return `<h${depth} id="${slugger.slug(title.replace(/[`*]/g, ''))}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    link({ href, tokens }) {
      // Pages name each other as files, so that the links work in a source browser too.
      const target = href.replace(/^(?:\.\/)?([\w-]+)\.md(#.*)?$/, (_, other, hash) => `/docs/${other}/${hash ?? ''}`);
      return `<a href="${escaped(target)}">${this.parser.parseInline(tokens)}</a>`;
    },
  };
  const html = new Marked({ renderer: anchored }).parse(body);
  const { title, description, order } = parseYaml(front) ?? {};
  return {
    name: name.replace(/\.md$/, ''),
    title: title ?? /^# (.+)$/m.exec(body)?.[1] ?? name,
    description: description ?? '',
    order: order ?? Infinity,
    html,
  };
}

export async function buildSite() {
  say('demo site');
  for (const stale of ['docs', 'coracle']) rmSync(`${out}/${stale}`, { recursive: true, force: true });
  mkdirSync(`${out}/coracle`, { recursive: true });
  for (const name of ['site.css', 'site.js', 'icon.svg', '_headers']) copyFileSync(at('www/demo', name), `${out}/${name}`);
  for (const name of ['coracle-search.js', 'coracle-worker.js', 'coracle_bg.wasm']) {
    copyFileSync(at('www/dist', name), `${out}/coracle/${name}`);
  }

  const template = read('template.html');
  const description = 'Hybrid search from static files: words and meaning in one index, no server.';
  const home = { title: 'Coracle', description, class: 'home-page', content: read('home.html') };
  writeFileSync(`${out}/index.html`, filled(template, home));

  const guide = readdirSync(at('www/docs')).filter((name) => name.endsWith('.md')).map(page);
  guide.sort((a, b) => a.order - b.order || a.title.localeCompare(b.title, 'en'));
  const search = '<coracle-search src="/search/" hotkey="/" placeholder="Search the guide" label="Search the guide"></coracle-search>';
  for (const { name, title, description, html } of guide) {
    const links = guide.map((other) => {
      const current = other.name === name ? ' aria-current="page"' : '';
      return `<li><a href="/docs/${other.name}/"${current}>${escaped(other.title)}</a></li>`;
    });
    const contents = `<nav class="contents" aria-label="Guide" data-pagefind-ignore><ul>${links.join('')}</ul></nav>`;
    const content = `<div class="guide-page">${contents}<main id="main" class="prose" data-pagefind-body>${html}</main></div>`;
    const values = { title: `${escaped(title)} · Coracle`, description: escaped(description), class: 'guide', search, content };
    mkdirSync(`${out}/docs/${name}`, { recursive: true });
    writeFileSync(`${out}/docs/${name}/index.html`, filled(template, values));
  }
}
