/** One hit as a row of a list of results. */
import type { Hit, SearchResult } from '../index.js';
import { element, marked, type Attributes } from './dom.js';

/**
 * A link to the hit: a real one, so that it opens in a new tab the way links do. `words` names the
 * parameter that tells its page which words were found.
 */
export function link(hit: Hit, base: string, words: string | null, attributes: Attributes = {}): HTMLAnchorElement {
  const target = address(hit, base);
  const { text, marks } = hit.excerpt;
  if (words && marks.length) target?.searchParams.set(words, [...new Set(marks.map(([from, to]) => text.slice(from, to)))].join(' '));
  const headings = hit.headings.filter((heading, at) => heading !== '' && !(at === 0 && heading === hit.title));
  const made = element(
    'a',
    { part: 'hit', href: target?.href, ...attributes },
    element('span', { part: 'hit-title' }, hit.title || hit.id),
  );
  if (headings.length > 0) {
    const path = element('span', { part: 'hit-headings' });
    headings.forEach((heading, at) => {
      if (at > 0) path.append(element('span', { part: 'hit-separator', 'aria-hidden': 'true' }, '›'));
      path.append(element('span', {}, heading));
    });
    made.append(path);
  }
  if (text !== '') made.append(element('span', { part: 'hit-excerpt' }, ...marked(text, marks)));
  if (target) made.append(element('span', { part: 'hit-url' }, readable(target)));
  return made;
}

/** Makes a row show another passage of the same document, and touches no more of it than differs. */
export function become(row: HTMLAnchorElement, other: HTMLAnchorElement): HTMLAnchorElement {
  for (const { name, value } of other.attributes) row.setAttribute(name, value);
  if (row.innerHTML !== other.innerHTML) row.replaceChildren(...other.childNodes);
  return row;
}

/** Where a hit leads. An index may come from anywhere, so only addresses of pages are followed. */
export function address(hit: Pick<Hit, 'url' | 'anchor'>, base: string): URL | undefined {
  if (hit.url === '') return undefined;
  let url: URL;
  try {
    url = new URL(hit.url, base);
  } catch {
    return undefined;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  if (hit.anchor !== '') url.hash = hit.anchor;
  return url;
}

function readable(url: URL): string {
  const host = url.origin === location.origin ? '' : url.host;
  const path = url.pathname.replace(/(?:index)?\.html?$/, '');
  try {
    return host + decodeURI(path);
  } catch {
    return host + path;
  }
}

/** The query with the words that were replaced, replaced and emphasised. */
export function corrected(query: string, corrections: SearchResult['corrections']): (Node | string)[] {
  const to = new Map(corrections.map((correction) => [correction.from.toLowerCase(), correction.to]));
  return query.split(/(\s+)/).map((word) => {
    const replacement = to.get(word.toLowerCase());
    return replacement === undefined ? word : element('strong', {}, replacement);
  });
}
