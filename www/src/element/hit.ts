/** One hit, or a section of one, as a row of a list of results; what is said instead of rows. */
import type { Hit, SearchResult } from '../index.js';
import { element, marked, type Attributes } from './dom.js';
import type { Strings } from './strings.js';

/** What the rows of hits lead to, in their order: each hit, and its sections below it. */
export function places(hits: Hit[]): Hit[] {
  return hits.flatMap((hit) => [hit, ...(hit.sections ?? [])]);
}

/** The hits down to the one that a row belongs to. */
export function downTo(hits: Hit[], row: number): Hit[] {
  const above = places(hits).slice(0, row + 1);
  return hits.filter((hit) => above.includes(hit));
}

/**
 * A link to the hit: a real one, so that it opens in a new tab the way links do. `words` names the
 * parameter that tells its page which words were found. As the part `section` it says no more than its
 * headings and text: title and address stand above it.
 */
export function link(hit: Hit, base: string, words: string | null, attributes: Attributes = {}): HTMLAnchorElement {
  const target = address(hit, base);
  const { text, marks } = hit.excerpt;
  if (words && marks.length) target?.searchParams.set(words, [...new Set(marks.map(([from, to]) => text.slice(from, to)))].join(' '));
  const headings = hit.headings.filter((heading, at) => heading !== '' && !(at === 0 && heading === hit.title));
  const isHit = attributes.part !== 'section';
  const made = element('a', { part: 'hit', href: target?.href, ...attributes });
  const title = hit.title || hit.id;
  if (isHit) made.append(element('span', { part: 'hit-title' }, title));
  else if (headings.length === 0) headings.push(title);
  if (headings.length > 0) {
    const path = element('span', { part: isHit ? 'hit-headings' : 'section-headings' });
    headings.forEach((heading, at) => {
      if (at > 0) path.append(element('span', { part: 'hit-separator', 'aria-hidden': 'true' }, '›'));
      path.append(element('span', {}, heading));
    });
    made.append(path);
  }
  if (text !== '') made.append(element('span', { part: isHit ? 'hit-excerpt' : 'section-excerpt' }, ...marked(text, marks)));
  if (target && isHit) made.append(element('span', { part: 'hit-url' }, readable(target)));
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

/**
 * What may help where nothing was found: a sentence, and words that the documents have. A button for each
 * searches for it.
 */
export function advice({ suggestions, filteredOut }: SearchResult, strings: Strings, search: (word: string) => void): [string, ...HTMLElement[]] {
  const hint = filteredOut ? strings.filteredOut : strings.noneHint;
  if (!suggestions?.length) return [hint];
  const buttons = suggestions.map((word) => {
    const button = element('button', { part: 'suggestion', type: 'button', dir: 'auto' }, word);
    button.addEventListener('click', () => search(word));
    return button;
  });
  return [hint, element('div', { part: 'suggestions' }, element('span', {}, strings.suggested), ...buttons.flatMap((button) => [' ', button]))];
}
