/**
 * On a page that a search result led to: marks the words that were found and brings the first of them
 * into view, until Escape is pressed.
 *
 * `<coracle-search highlight-param="highlight">` puts the words into the address. Loading this script is
 * all that the page has to do; `highlight()` does it again where pages change without being loaded.
 */

/** The name of the highlight, for `::highlight(coracle)` in the page's own style. */
const NAME = 'coracle';

/** The parameter, unless `<meta name="coracle-highlight" content="…">` names another one. */
const PARAM = 'highlight';

/** Where words are looked for: the first of these that the page has, as when it was indexed. */
const CONTENT = ['[data-pagefind-body]', 'main', 'article', 'body'];

/** More marks tell nobody more. */
const MOST = 500;

/** Words of languages that put no spaces between them begin and end anywhere. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

let clear = () => {};

/** Marks the words that the address names; what was marked before is not any more. */
export function highlight(): void {
  clear();
  const param = document.querySelector<HTMLMetaElement>('meta[name=coracle-highlight]')?.content ?? PARAM;
  const words = new URLSearchParams(location.search).get(param)?.split(/\s+/).filter(Boolean);
  const content = CONTENT.map((name) => document.querySelector(name)).find(Boolean);
  if (!words?.length || !content) return;
  const ranges = find(words, content);
  if (ranges.length === 0) return;
  show(ranges);
  const unmark = mark(ranges);
  const escape = (event: KeyboardEvent) => {
    // Who closes a list or a dialog means that.
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    clear();
    const url = new URL(location.href);
    url.searchParams.delete(param);
    history.replaceState(history.state, '', url);
  };
  addEventListener('keydown', escape);
  clear = () => {
    removeEventListener('keydown', escape);
    unmark();
    clear = () => {};
  };
}

function find(words: string[], content: Element): Range[] {
  const escaped = (word: string) => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  const bounded = (word: string) => (UNSPACED.test(word) ? escaped(word) : `(?<![\\p{L}\\p{N}])${escaped(word)}(?![\\p{L}\\p{N}])`);
  // The longest first: `cache` is not to hide `cache-control`.
  const pattern = new RegExp(words.sort((a, b) => b.length - a.length).map(bounded).join('|'), 'giu');
  const texts = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
  const ranges: Range[] = [];
  for (let node; (node = texts.nextNode()); ) {
    if (node.parentElement!.closest('script, style, noscript, template, textarea, [hidden]')) continue;
    for (const { index, 0: { length } } of node.nodeValue!.matchAll(pattern)) {
      if (ranges.length === MOST) return ranges;
      const range = new Range();
      range.setStart(node, index);
      range.setEnd(node, index + length);
      ranges.push(range);
    }
  }
  return ranges;
}

/** Brings the first one below the anchor into view, if it is not. */
function show(ranges: Range[]): void {
  const anchor = target();
  const isBelow = (range: Range) => anchor && anchor.compareDocumentPosition(range.startContainer) & Node.DOCUMENT_POSITION_FOLLOWING;
  const first = ranges.find(isBelow) ?? ranges[0]!;
  first.startContainer.parentElement!.closest('details')?.toggleAttribute('open', true);
  // After the browser went to the anchor.
  requestAnimationFrame(() => {
    const { top, bottom } = first.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) scrollBy(0, top - innerHeight / 3);
  });
}

/** What the address points to. `:target` may not be known yet. */
function target(): Element | null {
  try {
    return document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null;
  }
}

/** Marks ranges; returns what takes the marks away. Nothing in the page changes where that can be had. */
function mark(ranges: Range[]): () => void {
  if (CSS.highlights) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`::highlight(${NAME}) { background-color: Mark; color: MarkText }`);
    // A page's own `main ::highlight(coracle)` is more specific.
    document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
    CSS.highlights.set(NAME, new Highlight(...ranges));
    return () => {
      CSS.highlights.delete(NAME);
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    };
  }
  // From the end, so that places before stay what they are.
  const marks = ranges.reverse().map((range) => {
    const made = document.createElement('mark');
    range.surroundContents(made);
    return made;
  });
  return () => {
    for (const made of marks) {
      const parent = made.parentNode;
      made.replaceWith(...made.childNodes);
      parent?.normalize();
    }
  };
}

highlight();
