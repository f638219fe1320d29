/** The last searches that led somewhere, kept in this browser and offered where nothing is typed yet. */
import { element, sheetOf } from './dom.js';
import type { PartStrings } from './parts/strings.js';
import type { CoracleSearch } from './search.js';
import css from './recent.css';

const MOST = 5;

/** @returns what writes the texts, anew perhaps */
export function recall(field: CoracleSearch, signal: AbortSignal): (strings: PartStrings) => void {
  const root = field.shadowRoot!;
  const input = root.querySelector('input')!;
  const title = element('span', { part: 'recent-title' });
  const forget = element('button', { part: 'recent-clear', type: 'button' });
  const list = element('div', { part: 'recent-list' });
  const box = element('div', { part: 'recent', role: 'group', hidden: true }, element('div', { part: 'recent-head' }, title, forget), list);
  root.adoptedStyleSheets.push(sheetOf(css));
  root.querySelector('[part=panel]')!.append(box);

  const store = `coracle-recent ${new URL(field.getAttribute('src') ?? '/search/', document.baseURI).href}`;
  const show = () => {
    const queries = read(store);
    list.replaceChildren(
      ...queries.map((query) => {
        const button = element('button', { part: 'recent-query', type: 'button', dir: 'auto' }, query);
        button.addEventListener('click', () => {
          box.hidden = true;
          input.focus();
          field.value = query;
        });
        return button;
      }),
    );
    box.hidden = queries.length === 0 || field.value !== '';
  };
  forget.addEventListener('click', () => {
    write(store, []);
    input.focus();
    show();
    // Nothing is left in the panel.
    input.click();
  });
  // Before the field shows that it searches.
  input.addEventListener('input', () => (box.hidden ||= field.value !== ''), { signal });
  const observer = new MutationObserver(show);
  observer.observe(field, { attributeFilter: ['state'] });
  const keep = ({ target }: Event) => {
    const query = field.value.trim();
    if (query === '' || (target as Element).getAttribute('instance') !== field.getAttribute('instance')) return;
    write(store, [query, ...read(store).filter((other) => other !== query)].slice(0, MOST));
  };
  document.addEventListener('coracle-select', keep, { signal, capture: true });
  signal.addEventListener('abort', () => {
    observer.disconnect();
    box.remove();
  });
  show();
  return ({ recent, forget: clear }) => {
    title.textContent = recent;
    box.ariaLabel = recent;
    forget.textContent = clear;
  };
}

/** What is kept, if the browser lets it be read and it is what was written. */
function read(store: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(store) ?? '[]');
    return Array.isArray(kept) ? kept.filter((query) => typeof query === 'string').slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function write(store: string, queries: string[]): void {
  try {
    if (queries.length === 0) localStorage.removeItem(store);
    else localStorage.setItem(store, JSON.stringify(queries));
  } catch {
    // The browser keeps nothing: so do we.
  }
}
