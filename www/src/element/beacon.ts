/**
 * Reports searches to an address that the page names, for counting what is searched for and not found.
 * Nothing is sent without the attribute, nor for visitors whose browser objects (Global Privacy Control).
 */
import type { Hit, SearchResult } from '../index.js';
import { places } from './hit.js';
import type { CoracleSearch } from './search.js';

/** A query counts once nobody has typed on for so long. */
const SETTLED_MS = 1500;

/** What is sent, as JSON in a text. The query itself is in it only with `beacon-queries`. */
export interface Report {
  /** A query that was answered, or a result that was opened. */
  type: 'search' | 'select';
  /** Path of the page. */
  page: string;
  /** Characters of the query. */
  length: number;
  /** Results found in all. */
  results: number;
  /** Whether other words than the ones typed were searched. */
  corrected: boolean;
  /** Place of the result that was opened, first 1; 0: further down than the first page. */
  place?: number;
  /** Path of that result. */
  target?: string;
  query?: string;
}

export function report(field: CoracleSearch, signal: AbortSignal): void {
  let last: SearchResult | undefined;
  let isSent = true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const send = (more: Partial<Report> & Pick<Report, 'type'>) => {
    const url = field.getAttribute('beacon');
    if (!url || !last || (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) return;
    const { query, total, corrections } = last;
    const told: Report = { page: location.pathname, length: query.length, results: total, corrected: corrections.length > 0, ...more };
    if (field.hasAttribute('beacon-queries')) told.query = query;
    // A text needs no preflight, so a plain server elsewhere can take it.
    navigator.sendBeacon(new URL(url, document.baseURI), JSON.stringify(told));
  };
  const settle = () => {
    clearTimeout(timer);
    if (!isSent) send({ type: 'search' });
    isSent = true;
  };
  const hear = (event: Event) => {
    const { detail } = event as CustomEvent<SearchResult>;
    // The same query once more: a filter, another language.
    if (detail.query === last?.query) return;
    last = detail;
    isSent = false;
    clearTimeout(timer);
    timer = setTimeout(settle, SETTLED_MS);
  };
  const select = (event: Event) => {
    const { target, detail } = event as CustomEvent<Hit>;
    // It may have been opened in the list of results that belongs to the field.
    if (!last || (target as Element).getAttribute('instance') !== field.getAttribute('instance')) return;
    settle();
    send({ type: 'select', place: last.hits.findIndex((hit) => places([hit]).some(({ chunk }) => chunk === detail.chunk)) + 1, target: detail.url });
  };
  const hide = () => {
    if (document.visibilityState === 'hidden') settle();
  };
  field.addEventListener('coracle-results', hear, { signal });
  document.addEventListener('coracle-select', select, { signal, capture: true });
  document.addEventListener('visibilitychange', hide, { signal });
  signal.addEventListener('abort', settle);
}
