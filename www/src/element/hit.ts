/** One hit as an option of the result list. */
import type { Hit } from '../index.js';
import { element, marked } from './dom.js';

/** A link to the hit: a real one, so that it opens in a new tab the way links do. */
export function option(hit: Hit, position: number, id: string, base: string): HTMLAnchorElement {
  const target = address(hit, base);
  const headings = hit.headings.filter((heading, at) => heading !== '' && !(at === 0 && heading === hit.title));
  const made = element(
    'a',
    {
      part: 'hit',
      id,
      role: 'option',
      tabindex: -1,
      href: target?.href,
      'aria-selected': 'false',
      'aria-posinset': position + 1,
    },
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
  if (hit.excerpt.text !== '') {
    made.append(element('span', { part: 'hit-excerpt' }, ...marked(hit.excerpt.text, hit.excerpt.marks)));
  }
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
