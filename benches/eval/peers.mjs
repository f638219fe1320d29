// Peers rank the documents of a collection with the settings they come with, on the same texts.
//
//   node peers.mjs PEER COLLECTION FOLDER OUT
//
// writes a run in TREC's format: a hundred documents for each question. COLLECTION is JSON, see eval.mjs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { at } from '../../www/build/tools.mjs';

const DEPTH = 100;

/** Each takes documents and a place for files, and returns what ranks: question → [identifier, score]. */
export const PEERS = { minisearch, orama, pagefind, 'pagefind-any': pagefindAny };

async function minisearch(documents) {
  const { default: MiniSearch } = await import('minisearch');
  const index = new MiniSearch({ fields: ['text'] });
  index.addAll(documents);
  return (query) => index.search(query).map(({ id, score }) => [id, score]);
}

/** Languages that its tokenizer has; others are left to its default. */
const ORAMA = { en: 'english', de: 'german', fr: 'french', es: 'spanish', it: 'italian', nl: 'dutch', pt: 'portuguese', ru: 'russian', tr: 'turkish', ar: 'arabic', el: 'greek', ro: 'romanian' };

async function orama(documents, { language }) {
  const { create, insertMultiple, search } = await import('@orama/orama');
  const index = create({ schema: { text: 'string' }, language: ORAMA[language] ?? 'english' });
  await insertMultiple(index, documents, 500);
  return async (query) => (await search(index, { term: query, limit: DEPTH })).hits.map(({ id, score }) => [id, score]);
}

/** Kinder to it: every word asked alone, and the scores added. */
async function pagefindAny(documents, options) {
  const search = await pagefind(documents, options);
  const segmenter = new Intl.Segmenter(options.language, { granularity: 'word' });
  const known = new Map();
  return async (query) => {
    const sums = new Map();
    for (const { segment, isWordLike } of segmenter.segment(query.toLowerCase())) {
      if (!isWordLike) continue;
      if (!known.has(segment)) known.set(segment, await search(segment));
      for (const [id, score] of known.get(segment)) sums.set(id, (sums.get(id) ?? 0) + score);
    }
    return [...sums].sort((a, b) => b[1] - a[1]);
  };
}

/**
 * Its program makes an index of pages, one per document; its script for browsers searches it here. As it
 * comes a page must hold every word of the question that any page holds.
 */
async function pagefind(documents, { language, folder }) {
  const [site, out] = ['site', 'pagefind'].map((name) => join(folder, name));
  for (const dir of [site, out]) rmSync(dir, { recursive: true, force: true });
  const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  for (const [number, { text }] of documents.entries()) {
    mkdirSync(join(site, `${number}`), { recursive: true });
    const html = `<!doctype html><html lang="${language}"><meta charset="utf-8"><title>${number}</title><body data-pagefind-body><p>${escaped(text)}</p></body></html>`;
    writeFileSync(join(site, `${number}`, 'index.html'), html);
  }
  const binary = at(`node_modules/@pagefind/linux-${process.arch}/bin/pagefind_extended`);
  execFileSync(binary, ['--site', site, '--output-path', out, '--quiet']);
  // A result is named by its fragment, and the fragment says which page it is.
  const pages = new Map();
  for (const file of readdirSync(join(out, 'fragment'))) {
    const fragment = gunzipSync(readFileSync(join(out, 'fragment', file))).toString();
    const { url } = JSON.parse(fragment.slice(fragment.indexOf('{')));
    pages.set(file.replace('.pf_fragment', ''), documents[Number(url.replaceAll('/', ''))].id);
  }
  // What its script expects of a page.
  globalThis.document = { currentScript: null, querySelector: () => ({ getAttribute: () => language }) };
  globalThis.window = { location: { origin: 'file://' } };
  globalThis.location = { href: 'file:///', origin: 'file://' };
  globalThis.fetch = async (url) => new Response(await readFile(`${url}`.split('?')[0]));
  const script = await import(pathToFileURL(join(out, 'pagefind.js')));
  await script.options({ basePath: `${out}/`, baseUrl: '/', noWorker: true });
  return async (query) => (await script.search(query)).results.map(({ id, score }) => [pages.get(id), score]);
}

const lines = (bytes) => bytes.toString().split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));

/** Ranks every question and writes the run. */
async function main(peer, set, folder, out) {
  const bytes = readFileSync(set.corpus);
  const read = lines(set.corpus.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  const seen = new Set();
  const documents = read
    .map(({ _id, title, text }) => ({ id: `${_id}`, text: [title, text].filter(Boolean).join(' ') }))
    .filter(({ id }) => !seen.has(id) && seen.add(id));
  // Collections named like "xquad-de" say their language.
  const language = /-([a-z]{2})$/.exec(set.name)?.[1] ?? 'en';
  const rank = await PEERS[peer](documents, { language, folder });
  const rows = [];
  for (const { _id, text } of lines(readFileSync(set.queries))) {
    const found = (await rank(text)).slice(0, DEPTH);
    // Scores that tie keep their order: judges would order them by name.
    found.forEach(([id], at) => rows.push([_id, 'Q0', id, at + 1, DEPTH - at, peer].join('\t')));
  }
  writeFileSync(out, `${rows.join('\n')}\n`);
}

if (process.argv[1] === at('benches/eval/peers.mjs')) {
  const [peer, set, folder, out] = process.argv.slice(2);
  await main(peer, JSON.parse(set), folder, out);
  // Orama and Pagefind leave timers behind.
  process.exit(0);
}
