/** `<coracle-results>`: the results of a search field, elsewhere on the page. */
import type { Hit, SearchResult } from '../../index.js';
import { element, sheetOf } from '../dom.js';
import { advice, become, corrected, downTo, link, places } from '../hit.js';
import type { CoracleSearch } from '../search.js';
import { Part } from './part.js';
import css from './results.css';

/** The engine returns no more hits than this for one query. */
const MOST_HITS = 100;
/** Rows that a visitor is about to open. */
const AIMED_AT = ':hover, :focus';

/**
 * The results of the search field of the same instance: a list of links in the page, instead of the panel
 * that the field would open.
 *
 * ```html
 * <coracle-search src="/search/"></coracle-search>
 * <coracle-results></coracle-results>
 * ```
 *
 * @element coracle-results
 *
 * @attr {string} instance - name of the field's instance
 * @attr {string} label - name of the list for screen readers; default `Results`
 * @attr {string} base - URL that results' addresses are relative to; default: the page
 * @attr {string} lang - language of the texts, as for any element; default: that of the page
 * @attr {'light'|'dark'} theme - default: the page's `color-scheme`
 *
 * @fires {CustomEvent<Hit>} coracle-select - before a result is opened; cancel it to act yourself
 *
 * @csspart count - line above the results
 * @csspart notice - line about corrected words or partial results
 * @csspart list - the list; inside it `hit`, `section` and their parts, as in `<coracle-search>`
 * @csspart message - what is said when nothing was found or something failed
 * @csspart more - button that brings more results
 *
 * @cssprop --coracle-accent - and all others of `<coracle-search>` that say how boxes and text look
 */
export class CoracleResults extends Part {
  static readonly observedAttributes = ['label'];

  readonly #count = element('p', { part: 'count', hidden: true });
  readonly #notice = element('div', { part: 'notice', hidden: true });
  readonly #list = element('ol', { part: 'list', role: 'list', hidden: true });
  readonly #message = element('div', { part: 'message', hidden: true });
  readonly #more = element('button', { part: 'more', type: 'button', hidden: true });
  #hits: Hit[] = [];
  /** Where the next page begins: rows kept from a preview do not count. */
  #next = 0;
  #isPreview = false;
  #field: CoracleSearch | undefined;
  #result: SearchResult | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheetOf(css)];
    root.append(this.#count, this.#notice, this.#list, this.#message, this.#more);
    this.#more.addEventListener('click', () => this.#page());
    this.#list.addEventListener('click', (event) => this.#clicked(event));
    this.#list.addEventListener('keydown', (event) => this.#key(event));
  }

  attributeChangedCallback(): void {
    this.label();
  }

  protected override label(): void {
    this.#list.ariaLabel = this.getAttribute('label') ?? this.strings.results;
    if (this.#field) this.#more.textContent = this.#field.strings.more;
  }

  protected override join(field: CoracleSearch): void {
    field.toggleAttribute('no-panel', true);
    field.addEventListener('keydown', this.#down);
  }

  protected override leave(field: CoracleSearch): void {
    field.removeAttribute('no-panel');
    field.removeEventListener('keydown', this.#down);
  }

  protected override turned(field: CoracleSearch): void {
    this.#list.ariaBusy = String(field.state === 'loading');
    if (field.state === 'idle') this.#show([]);
  }

  protected override found(field: CoracleSearch, result: SearchResult, isPreview: boolean): void {
    const { strings } = field;
    // Rows of another query stay for nobody.
    if (result.query !== this.#result?.query) this.#isPreview = false;
    this.#field = field;
    this.#result = result;
    const lines = result.corrections.length > 0 ? [element('div', {}, `${strings.corrected} `, ...corrected(result.query, result.corrections))] : [];
    if (result.degraded) lines.push(element('div', {}, strings.degraded));
    // A line that came would move the row that somebody is about to open.
    if (!this.#isPreview || lines.length > 0) this.#notice.replaceChildren(...lines);
    const aimedAt = this.#isPreview ? this.#rows.findLastIndex((row) => row.matches(AIMED_AT)) : -1;
    this.#next = result.hits.length;
    this.#show(merged(downTo(this.#hits, aimedAt), result.hits, field));
    this.#isPreview = isPreview;
    this.#tell();
    const search = (word: string) => {
      field.focus();
      field.value = word;
    };
    if (this.#hits.length === 0) this.#say(`${strings.none} “${result.query}”`, ...advice(result, strings, search));
  }

  protected override failed(field: CoracleSearch, error: Error): void {
    this.#show([]);
    const retry = element('button', { part: 'retry', type: 'button' }, field.strings.retry);
    retry.addEventListener('click', () => {
      field.focus();
      field.value = field.value;
    });
    this.#say(field.strings.failed, error.message, retry);
  }

  get #rows(): HTMLAnchorElement[] {
    return [...this.#list.querySelectorAll('a')];
  }

  /** Rows that lead somewhere. */
  get #links(): HTMLAnchorElement[] {
    return this.#rows.filter(({ href }) => href !== '');
  }

  /** Makes rows of hits. What was found before keeps its node, so the focus stays on it. */
  #show(hits: Hit[]): void {
    const base = new URL(this.getAttribute('base') ?? this.#field?.getAttribute('base') ?? '', document.baseURI).href;
    const words = this.#field?.getAttribute('highlight-param') ?? null;
    const shown = places(this.#hits);
    const before = new Map(this.#rows.map((row, at) => [shown[at]!.chunk, row]));
    const items = places(hits).map((hit) => {
      const row = link(hit, base, words, { part: hits.includes(hit) ? 'hit' : 'section' });
      const same = before.get(hit.chunk);
      before.delete(hit.chunk);
      return same ? (become(same, row).parentElement as HTMLElement) : element('li', {}, row);
    });
    // Those that stay where they are are not touched: moving a node takes its focus away.
    for (const row of before.values()) row.parentElement!.remove();
    items.forEach((item, at) => {
      if (this.#list.children[at] !== item) this.#list.insertBefore(item, this.#list.children[at] ?? null);
    });
    this.#hits = hits;
    this.#list.hidden = hits.length === 0;
    this.#notice.hidden = hits.length === 0 || this.#notice.childElementCount === 0;
    this.#count.hidden = hits.length === 0;
    this.#message.hidden = true;
    this.#more.hidden = true;
    if (hits.length === 0) this.#isPreview = false;
  }

  /** The line above, and the button below. */
  #tell(): void {
    const { strings } = this.#field!;
    const { total } = this.#result!;
    this.#count.textContent = this.#isPreview ? strings.loading : strings.count(this.#hits.length, Math.max(total, this.#hits.length));
    this.#more.textContent = strings.more;
    this.#more.hidden = this.#isPreview || this.#hits.length === 0 || this.#next >= Math.min(total, MOST_HITS);
  }

  #say(title: string, ...nodes: (Node | string)[]): void {
    this.#message.replaceChildren(element('strong', {}, title), ...nodes);
    this.#message.hidden = false;
  }

  /** Brings the next page, and leads to its first row. */
  async #page(): Promise<void> {
    const [field, result, shown] = [this.#field!, this.#result!, this.#rows.length];
    this.#more.disabled = true;
    try {
      const limit = Math.min(Number(field.getAttribute('limit')) || 8, MOST_HITS - this.#next);
      const { hits } = await field.search(result.query, { offset: this.#next, limit });
      if (result !== this.#result) return;
      this.#next += hits.length;
      this.#show(merged(this.#hits, hits, field));
      this.#tell();
      this.#rows.slice(shown).find(({ href }) => href)?.focus();
    } catch (thrown) {
      if (result === this.#result) this.failed(field, thrown as Error);
    } finally {
      this.#more.disabled = false;
    }
  }

  // Keyboard and mouse

  /** Down in the field leads to the results. */
  readonly #down = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowDown' || event.isComposing || this.#list.hidden) return;
    event.preventDefault();
    this.#field = event.currentTarget as CoracleSearch;
    this.#links[0]?.focus();
  };

  #key(event: KeyboardEvent): void {
    const rows = this.#links;
    const at = rows.indexOf((event.target as Element).closest('a')!);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, Escape: -1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (to < 0) this.#field?.focus();
    else rows[Math.min(to, rows.length - 1)]!.focus();
  }

  #clicked(event: MouseEvent): void {
    const row = (event.target as Element).closest('a');
    const hit = row && places(this.#hits)[this.#rows.indexOf(row)];
    if (!hit) return;
    const asked = new CustomEvent('coracle-select', { detail: hit, bubbles: true, composed: true, cancelable: true });
    if (!this.dispatchEvent(asked)) event.preventDefault();
  }
}

/** What stays, and what was found beside it. */
function merged(stay: Hit[], found: Hit[], field: CoracleSearch): Hit[] {
  const key = field.getAttribute('group') === 'chunk' ? 'chunk' : 'id';
  return [...stay, ...found.filter((hit) => !stay.some((other) => other[key] === hit[key]))];
}
