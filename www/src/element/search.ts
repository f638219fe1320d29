/** `<coracle-search>`: a search field with results while typing. */
import { isAbort } from '../error.js';
import type { Filter, Hit, Index, Mode, SearchOptions, SearchResult } from '../index.js';
import { Announcer } from './announcer.js';
import { beside } from './beside.js';
import { element, icon, sheetOf } from './dom.js';
import { advice, become, corrected, downTo, link, places } from './hit.js';
import { warm, withShared, type Place } from './shared.js';
import { english, type Strings } from './strings.js';
import css from './style.css';

/** What the element is doing; reflected in its `state` attribute. */
export type State = 'idle' | 'loading' | 'results' | 'empty' | 'error';

/** The longest pause after a key before a search. */
const DEBOUNCE_MS = 90;
/** So long the answer by words alone waits for the whole one before it is shown. */
const PREVIEW_MS = 120;
/** Rows that a visitor is about to open. */
const AIMED_AT = ':hover, :focus-within, [aria-selected=true]';
const WANTS_MORE = '[lang]:not(:lang(en)), [lang]:not(:lang(en)) *, [beacon], [recent]';
/** The engine returns no more hits than this for one query, however they are paged. */
const MOST_HITS = 100;
/** Nor more sections for one hit. */
const MOST_SECTIONS = 5;
const LENS = 'M9 3.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M13 13l4 4';
const CROSS = 'M5.5 5.5l9 9M14.5 5.5l-9 9';

let instances = 0;

/**
 * A search field with results while typing: a combobox with a list of links.
 *
 * Searching by words reads less than searching by meaning too. Where the whole answer takes its time,
 * what was found by words is shown first; the whole answer then moves no row that is aimed at.
 *
 * ```html
 * <script type="module" src="/coracle/coracle-search.js"></script>
 * <coracle-search src="/search/"></coracle-search>
 * ```
 *
 * @element coracle-search
 *
 * @attr {string} src - folder of the index; default `/search/`
 * @attr {string} public-key - shows nothing but what the owner of this key signed
 * @attr {string} placeholder - text in the empty field
 * @attr {string} label - name of the field for screen readers
 * @attr {number} limit - results at a time; default 8
 * @attr {'hybrid'|'keyword'|'vector'} mode - how to search; default: the index's best
 * @attr {'document'|'chunk'} group - one result per document (default) or every matching passage
 * @attr {number} sections - rows for further sections of a document below its own, up to 5; default 0
 * @attr {string} filter - metadata filter, as JSON
 * @attr {string} base - URL that results' addresses are relative to; default: the page
 * @attr {string} hotkey - focuses the field from anywhere: one character, or `mod+` and a character
 * @attr {string} highlight-param - parameter that tells a result's page which words were found
 * @attr {'focus'|'load'} preload - when to open the index; default `focus`
 * @attr {boolean} inline - results push the page down instead of covering it
 * @attr {string} beacon - address that searches are reported to; default: nobody hears of them
 * @attr {boolean} beacon-queries - reports hold the query, not only its length
 * @attr {boolean} recent - offers the last searches that led somewhere; they are kept in this browser
 * @attr {boolean} no-agents - is no tool for agents where the browser has such
 * @attr {boolean} no-panel - shows no results itself; set by `<coracle-results>`
 * @attr {string} lang - language of the texts, as for any element; default: that of the page
 * @attr {string} instance - name that joins it with other elements of the page
 * @attr {'light'|'dark'} theme - default: the page's `color-scheme`
 * @attr {State} state - set by the element: `idle`, `loading`, `results`, `empty`, `error`
 *
 * @fires {CustomEvent<SearchResult>} coracle-preview - after results by words were shown, with more to come
 * @fires {CustomEvent<SearchResult>} coracle-results - after results were shown, once for every search
 * @fires {CustomEvent<Hit>} coracle-select - before a result is opened; cancel it to act yourself
 * @fires {CustomEvent<Error>} coracle-error - after an error was shown
 *
 * @csspart field - box around icon, input and buttons
 * @csspart input - the text field
 * @csspart panel - box with everything found
 * @csspart notice - line about corrected words or partial results
 * @csspart results - the list
 * @csspart hit - one result; the selected one has `hit-active` too
 * @csspart hit-title - its document's title
 * @csspart hit-headings - headings above it
 * @csspart hit-excerpt - text around the words found
 * @csspart hit-url - its address
 * @csspart section - a further section of the document above it; the selected one has `hit-active` too
 * @csspart section-headings - headings above it; its document's title where there is none
 * @csspart section-excerpt - text around the words found
 * @csspart mark - a word found
 * @csspart message - what is said when nothing was found or something failed
 * @csspart suggestions - words to search for instead, where nothing was found; each is a `suggestion`
 * @csspart footer - line with the count
 * @csspart recent - last searches; inside it `recent-title`, `recent-query`, `recent-clear`
 *
 * @cssprop --coracle-accent - colour of focus and selection
 * @cssprop --coracle-text - colour of text
 * @cssprop --coracle-muted - colour of lesser text
 * @cssprop --coracle-surface - background
 * @cssprop --coracle-raised - background of the selected result
 * @cssprop --coracle-border - colour of lines
 * @cssprop --coracle-mark - background of words found
 * @cssprop --coracle-danger - colour of error titles
 * @cssprop --coracle-radius - rounding of the boxes
 * @cssprop --coracle-shadow - shadow of the panel
 * @cssprop --coracle-font - font family; default: inherited
 * @cssprop --coracle-font-size - font size; default 1rem
 * @cssprop --coracle-field-height - height of the field; default 3em
 * @cssprop --coracle-lines - lines of an excerpt; default 2
 * @cssprop --coracle-panel-height - greatest height of the panel
 * @cssprop --coracle-layer - z-index of the panel; default 1000
 */
export class CoracleSearch extends HTMLElement {
  static readonly observedAttributes = ['src', 'public-key', 'placeholder', 'label', 'hotkey', 'preload', 'mode', 'filter', 'group', 'sections', 'limit', 'no-panel'];

  readonly #id = `coracle-${++instances}`;
  readonly #input = element('input', {
    part: 'input',
    type: 'text',
    inputmode: 'search',
    enterkeyhint: 'search',
    autocomplete: 'off',
    autocapitalize: 'off',
    autocorrect: 'off',
    spellcheck: 'false',
    'aria-autocomplete': 'list',
    'aria-controls': `${this.#id}-results`,
  });
  readonly #hotkey = element('kbd', { part: 'hotkey', 'aria-hidden': 'true', hidden: true });
  readonly #clear = element('button', { part: 'clear', type: 'button', hidden: true }, icon(CROSS, 'clear-icon'));
  readonly #notice = element('div', { part: 'notice', hidden: true });
  readonly #results = element('div', { part: 'results', role: 'listbox', id: `${this.#id}-results`, hidden: true });
  readonly #message = element('div', { part: 'message', hidden: true });
  readonly #count = element('span', { part: 'count' });
  readonly #more = element('button', { part: 'more', type: 'button', hidden: true });
  readonly #keys = element('span', { part: 'keys', 'aria-hidden': 'true' });
  readonly #footer = element('div', { part: 'footer', hidden: true }, this.#count, this.#more, this.#keys);
  readonly #panel = element('div', { part: 'panel', hidden: true }, this.#notice, this.#results, this.#message, this.#footer);
  readonly #announcer = new Announcer();

  #strings = english;
  /** Texts that replace those of the element's language. */
  #own: Partial<Strings> = {};
  #language: Strings | undefined;
  #index: Index | undefined;
  #filter: Filter | undefined;
  #state: State = 'idle';
  /** What the rows show, in their order; a hit's sections stand below it. */
  #hits: Hit[] = [];
  /** Where the next page begins: rows kept from a preview do not count. */
  #next = 0;
  /** Whether the rows are those of a preview of the search under way. */
  #previewed = false;
  #active = -1;
  #asked = '';
  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Milliseconds after a key before a search: as many as the last one took, so that few are in vain. */
  #pause = DEBOUNCE_MS;
  #disconnect: AbortController | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    root.adoptedStyleSheets = [sheetOf(css)];
    const field = element(
      'div',
      { part: 'field' },
      icon(LENS, 'icon'),
      this.#input,
      this.#hotkey,
      this.#clear,
      element('div', { part: 'progress' }),
    );
    root.append(field, this.#panel, this.#announcer.node);

    this.#input.addEventListener('input', (event) => {
      if (!(event as InputEvent).isComposing) this.#typed();
    });
    this.#input.addEventListener('compositionend', () => this.#typed());
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('focus', () => {
      this.#warm();
      this.#unfold();
    });
    this.#input.addEventListener('click', () => this.#unfold());
    this.#clear.addEventListener('click', () => {
      this.value = '';
      this.#input.focus();
    });
    this.#more.addEventListener('click', () => this.#run(this.#next));
    this.#results.addEventListener('click', (event) => this.#clicked(event));
    // Keeps the focus, and with it the keyboard, in the field while the mouse is used.
    this.#results.addEventListener('mousedown', (event) => event.preventDefault());
    this.addEventListener('focusout', ({ relatedTarget }) => {
      if (!this.contains(relatedTarget as Node | null)) this.#fold();
    });
  }

  /** The text in the field. Setting it searches. */
  get value(): string {
    return this.#input.value;
  }

  set value(text: string) {
    this.#input.value = text;
    this.#typed(0);
  }

  /** What the element is doing. */
  get state(): State {
    return this.#state;
  }

  /** An index that is open already, to search instead of opening `src`. */
  get index(): Index | undefined {
    return this.#index;
  }

  set index(index: Index | undefined) {
    this.#index = index;
    this.#again();
  }

  /** Metadata filter; replaces the attribute of the same name. */
  get filter(): Filter | undefined {
    return this.#filter ?? parsed(this.getAttribute('filter'));
  }

  set filter(filter: Filter | undefined) {
    this.#filter = filter;
    this.#again();
  }

  /** Texts of the element. Assign the ones to replace. */
  get strings(): Strings {
    return this.#strings;
  }

  set strings(strings: Partial<Strings>) {
    this.#own = strings;
    this.#strings = { ...english, ...this.#language, ...strings };
    this.#label();
  }

  /** Metadata fields whose values are counted with every search. */
  facets: string[] | undefined;

  /** Searches like the field, with its index, mode and filter, and shows nothing of it. */
  search(query: string, options?: SearchOptions): Promise<SearchResult> {
    return this.#use((index) => index.search(query, { ...this.#options(0), ...options }));
  }

  connectedCallback(): void {
    const { signal } = (this.#disconnect = new AbortController());
    this.#label();
    this.#show('idle');
    document.addEventListener('keydown', (event) => this.#globalKey(event), { signal });
    this.#extend(signal);
    if (this.getAttribute('preload') === 'load') this.#warm();
  }

  /** Texts in the language of the page; `undefined`: the built-in ones. */
  speak(texts: Strings | undefined): void {
    this.#language = texts;
    this.strings = this.#own;
    this.#again();
  }

  /** Loads what most fields do without, as soon as this one does not. */
  #extend(signal: AbortSignal): void {
    const look = () => {
      if (!this.matches(WANTS_MORE) && !('modelContext' in document) && !('modelContext' in navigator)) return;
      observer.disconnect();
      beside('coracle-more.js').then(({ default: more }) => more(this, signal));
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, attributeFilter: ['lang'] });
    look();
  }

  disconnectedCallback(): void {
    this.#disconnect?.abort();
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#announcer.hush();
    this.#fold();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'placeholder' || name === 'label' || name === 'hotkey') this.#label();
    else if (name === 'no-panel') this.#unfold();
    else if (name === 'preload') {
      if (after === 'load') this.#warm();
    } else this.#again();
  }

  // Searching

  get #place(): Place {
    return [new URL(this.getAttribute('src') ?? '/search/', document.baseURI).href, this.getAttribute('public-key')];
  }

  #use<T>(use: (index: Index) => Promise<T>): Promise<T> {
    return this.#index ? use(this.#index) : withShared(this.#place, use);
  }

  #warm(): void {
    if (!this.#index) warm(this.#place);
  }

  #typed(delay = this.#pause): void {
    clearTimeout(this.#timer);
    this.#clear.hidden = this.value === '';
    this.#hotkey.hidden = this.value !== '' || !this.hasAttribute('hotkey');
    if (this.value.trim() === '') {
      this.#stop.abort();
      this.#asked = '';
      this.#hits = [];
      this.#announcer.hush();
      this.#show('idle');
      return;
    }
    this.#timer = setTimeout(() => this.#run(), delay);
  }

  #again(): void {
    if (this.#asked !== '') this.#run();
  }

  /** Searches for the field's text; with `offset`, for more of the same. */
  async #run(offset = 0): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    const { signal } = (this.#stop = new AbortController());
    this.#asked = this.value;
    const asked = performance.now();
    this.#previewed = false;
    this.#show('loading');
    let words: SearchResult | undefined;
    let result: SearchResult;
    /** Shows what was found by words if the whole answer is not there soon after. */
    const preview = (found: SearchResult) => {
      if (found.hits.length === 0) return;
      words = found;
      setTimeout(() => {
        if (!signal.aborted) this.#found(found, 0, true);
      }, PREVIEW_MS);
    };
    try {
      const query = this.value.trim();
      const options = { ...this.#options(offset), offset, signal, preview };
      result = await this.#use((index) => {
        signal.throwIfAborted();
        return index.search(query, options);
      });
    } catch (thrown) {
      if (signal.aborted || isAbort(thrown)) return;
      // Results by words alone are better than an error.
      if (!words) return this.#failed(thrown as Error);
      result = { ...words, degraded: 'keyword-only' };
    }
    if (signal.aborted) return;
    this.#pause = Math.min(performance.now() - asked, DEBOUNCE_MS);
    // A preview comes too late now.
    this.#stop.abort();
    this.#found(result, offset);
  }

  #options(offset: number): SearchOptions {
    const limit = Math.min(positive(this.getAttribute('limit')) ?? 8, MOST_HITS - offset);
    // A space behind it finishes the last word.
    const options: SearchOptions = { limit, prefix: !/\s$/.test(this.value) };
    const mode = this.getAttribute('mode');
    const group = this.getAttribute('group');
    const sections = positive(this.getAttribute('sections'));
    const filter = this.filter;
    if (mode) options.mode = mode as Mode;
    if (group) options.group = group as 'document' | 'chunk';
    if (sections) options.sections = Math.min(sections, MOST_SECTIONS);
    if (filter) options.filter = filter;
    if (this.facets) options.facets = this.facets;
    return options;
  }

  // Showing

  #found(result: SearchResult, offset: number, isPreview = false): void {
    const folded = this.#previewed && this.#panel.hidden;
    const kept = this.#list(result.hits, offset);
    this.#tell(result);
    this.#previewed = isPreview;
    this.#next = offset + result.hits.length;
    const shown = this.#hits.length;
    const rows = this.#results.children;
    for (const row of rows) row.ariaSetSize = String(Math.max(result.total, shown) + rows.length - shown);
    const count = this.#strings.count(shown, result.total);
    this.#count.textContent = isPreview ? this.#strings.loading : count;
    this.#more.hidden = isPreview || result.hits.length === 0 || this.#next >= Math.min(result.total, MOST_HITS);
    if (isPreview) this.#show('loading', true);
    else if (shown === 0) {
      const search = (word: string) => {
        this.#input.focus();
        this.value = word;
      };
      this.#say(`${this.#strings.none} “${result.query}”`, ...advice(result, this.#strings, search));
      this.#show('empty');
    } else {
      const notice = this.#notice.hidden ? '' : `. ${this.#notice.textContent}`;
      this.#announcer.say(count + notice);
      this.#show('results');
    }
    // Who closed the list, or opened a result of it, is done with it.
    if (folded) this.#fold();
    if (offset > 0 && kept < rows.length) {
      this.#input.focus();
      this.#activate(kept);
    }
    this.dispatchEvent(new CustomEvent(isPreview ? 'coracle-preview' : 'coracle-results', { detail: result }));
  }

  /**
   * Makes rows of hits and of their sections; a document that has a row keeps its node. The rows of earlier pages stay, and after
   * a preview those down to the last one aimed at and its sections: what stays is not shown twice.
   *
   * @returns how many rows stayed
   */
  #list(found: Hit[], offset: number): number {
    const list = this.#results;
    const base = new URL(this.getAttribute('base') ?? '', document.baseURI).href;
    const key = this.getAttribute('group') === 'chunk' ? 'chunk' : 'id';
    const rows = [...list.children] as HTMLAnchorElement[];
    const aimedAt = this.#previewed ? rows.findLastIndex((row) => row.matches(AIMED_AT)) : -1;
    const before = places(this.#hits);
    const selected = before[this.#active]?.chunk;
    const stay = downTo(this.#hits, offset > 0 ? rows.length : aimedAt);
    const kept = places(stay).length;
    const rest = found.filter((hit) => !stay.some((other) => other[key] === hit[key]));
    const led = places(rest);
    const made = led.map((hit, at) => {
      const isHit = rest.includes(hit);
      const row = link(hit, base, this.getAttribute('highlight-param'), {
        id: `${this.#id}-hit-${kept + at}`,
        part: isHit ? 'hit' : 'section',
        role: 'option',
        tabindex: -1,
        'aria-selected': 'false',
        'aria-posinset': kept + at + 1,
      });
      const same = rows[before.findIndex((other) => other[key] === hit[key])];
      return same && isHit ? become(same, row) : row;
    });
    // The panel does not shrink under the eyes of somebody who reads the preview.
    keepHeight(this.#panel, this.#previewed);
    for (const row of rows.slice(kept)) row.remove();
    list.append(...made);
    this.#hits = [...stay, ...rest];
    if (offset === 0 && !this.#previewed) {
      // Who selected a result while the last letters were searched for keeps it.
      list.scrollTop = 0;
      this.#activate(led.findIndex(({ chunk }) => chunk === selected));
    }
    return kept;
  }

  /**
   * Says what is unusual about a result: other words were searched, or less than was asked. What is new
   * about a result that follows its preview stands below the rows, so that it moves none; for the same
   * reason a notice above them does not go away.
   */
  #tell({ query, corrections, degraded }: SearchResult): void {
    const lines: HTMLElement[] = [];
    if (corrections.length > 0) {
      lines.push(element('div', {}, `${this.#strings.corrected} `, ...corrected(query, corrections)));
    }
    if (degraded) lines.push(element('div', {}, this.#strings.degraded));
    const notice = this.#notice;
    const stands = this.#previewed && !notice.hidden;
    keepHeight(notice, stands);
    if (!stands) (this.#previewed ? this.#footer : this.#results).before(notice);
    notice.replaceChildren(...lines);
    notice.hidden = !stands && lines.length === 0;
  }

  #failed(error: Error): void {
    const retry = element('button', { part: 'retry', type: 'button' }, this.#strings.retry);
    retry.addEventListener('click', () => {
      this.#input.focus();
      this.#run();
    });
    this.#say(this.#strings.failed, error.message, retry);
    this.#hits = [];
    this.#show('error');
    this.dispatchEvent(new CustomEvent('coracle-error', { detail: error }));
  }

  /** Puts a message in the place of results, and speaks it. */
  #say(title: string, text: string, ...nodes: HTMLElement[]): void {
    this.#message.replaceChildren(element('strong', {}, title), text, ...nodes);
    this.#announcer.say([`${title}. ${text}`, ...nodes.map(({ textContent }) => textContent)].join(' '));
  }

  /** Takes on a state; `rows` tells whether there are results to show in it. */
  #show(state: State, rows = state === 'results'): void {
    this.#state = state;
    this.setAttribute('state', state);
    this.#input.ariaBusy = String(state === 'loading');
    if (rows || state !== 'loading') {
      this.#results.hidden = !rows;
      this.#footer.hidden = !rows;
      this.#message.hidden = state !== 'empty' && state !== 'error';
      if (!rows) {
        this.#notice.hidden = true;
        keepHeight(this.#panel, false);
        this.#results.replaceChildren();
        this.#activate(-1);
      }
    }
    this.#unfold();
  }

  /** Shows the panel if there is something in it and the element has the focus (or lies inline). */
  #unfold(): void {
    const full = this.#panel.querySelector(':scope > :not([hidden])');
    const wanted = full !== null && (this.hasAttribute('inline') || this.matches(':focus-within'));
    if (wanted) {
      const room = innerHeight - this.#input.getBoundingClientRect().bottom - 24;
      this.#panel.style.setProperty('--_room', `${room}px`);
    }
    this.#open(wanted);
  }

  #fold(): void {
    if (this.hasAttribute('inline')) return;
    this.#open(false);
    this.#activate(-1);
  }

  #open(isOpen: boolean): void {
    // Elsewhere on the page the results are no list of this field's.
    const isElsewhere = this.hasAttribute('no-panel');
    this.#panel.hidden = isElsewhere || !isOpen;
    this.#input.role = isElsewhere ? 'searchbox' : 'combobox';
    this.#input.ariaExpanded = isElsewhere ? null : String(isOpen && !this.#results.hidden);
    this.#input.ariaHasPopup = isElsewhere ? null : 'listbox';
  }

  #activate(position: number): void {
    const options = this.#results.children;
    this.#mark(options[this.#active], false);
    this.#active = position < options.length ? position : -1;
    const active = options[this.#active];
    this.#mark(active, true);
    if (active) {
      this.#input.setAttribute('aria-activedescendant', active.id);
      active.scrollIntoView({ block: 'nearest' });
    } else this.#input.removeAttribute('aria-activedescendant');
  }

  #mark(hit: Element | undefined, active: boolean): void {
    if (!hit) return;
    hit.part.toggle('hit-active', active);
    hit.ariaSelected = String(active);
  }

  #label(): void {
    const strings = this.#strings;
    this.#input.placeholder = this.getAttribute('placeholder') ?? strings.placeholder;
    const label = this.getAttribute('label') ?? strings.label;
    this.#input.ariaLabel = label;
    this.#results.ariaLabel = label;
    this.#clear.ariaLabel = strings.clear;
    this.#more.textContent = strings.more;
    this.#keys.replaceChildren(
      element('span', {}, element('kbd', {}, '↑↓'), strings.move),
      element('span', {}, element('kbd', {}, '↵'), strings.select),
      element('span', {}, element('kbd', {}, 'esc'), strings.close),
    );
    const hotkey = this.getAttribute('hotkey');
    this.#hotkey.hidden = !hotkey || this.value !== '';
    this.#input.ariaKeyShortcuts = hotkey ? hotkey.replace('mod+', isApple() ? 'Meta+' : 'Control+') : null;
    if (hotkey) this.#hotkey.textContent = hotkey.toUpperCase().replace('MOD+', isApple() ? '⌘' : 'Ctrl ');
  }

  // Keyboard and mouse

  #key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const last = this.#results.children.length - 1;
    const open = !this.#panel.hidden && last >= 0 && !this.#results.hidden;
    switch (event.key) {
      case 'ArrowDown':
        if (!open) this.#unfold();
        else this.#activate(this.#active === last ? -1 : this.#active + 1);
        break;
      case 'ArrowUp':
        if (!open) this.#unfold();
        else this.#activate(this.#active === -1 ? last : this.#active - 1);
        break;
      case 'Home':
      case 'End':
        // With nothing selected they move the caret, as in any field.
        if (!open || this.#active === -1) return;
        this.#activate(event.key === 'Home' ? 0 : last);
        break;
      case 'Enter':
        if (open && this.#active >= 0) this.#follow(event);
        else if (this.value.trim() !== this.#asked.trim()) this.#run();
        else if (open) this.#activate(0);
        break;
      case 'Escape':
        if (!this.#panel.hidden && !this.hasAttribute('inline')) this.#fold();
        else if (this.value !== '') this.value = '';
        else return;
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  #follow({ ctrlKey, metaKey, shiftKey }: KeyboardEvent): void {
    const link = this.#results.children[this.#active];
    link?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
  }

  #clicked(event: MouseEvent): void {
    const link = (event.target as Element).closest('a');
    const hit = link && places(this.#hits)[[...this.#results.children].indexOf(link)];
    if (!hit) return;
    const asked = new CustomEvent('coracle-select', { detail: hit, bubbles: true, composed: true, cancelable: true });
    if (!this.dispatchEvent(asked)) event.preventDefault();
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) this.#fold();
  }

  #globalKey(event: KeyboardEvent): void {
    const hotkey = this.getAttribute('hotkey');
    if (!hotkey || event.defaultPrevented || event.altKey) return;
    const modified = event.ctrlKey || event.metaKey;
    const wanted = hotkey.startsWith('mod+');
    if (modified !== wanted || event.key.toLowerCase() !== hotkey.replace('mod+', '').toLowerCase()) return;
    if (!wanted && isTyping(event)) return;
    event.preventDefault();
    this.#input.focus();
    this.#input.select();
  }
}

/** Lets a box become higher from now on, but not lower. */
function keepHeight(box: HTMLElement, keeps: boolean): void {
  box.style.minHeight = keeps ? `${box.getBoundingClientRect().height}px` : '';
}

function parsed(json: string | null): Filter | undefined {
  return json ? (JSON.parse(json) as Filter) : undefined;
}

function positive(text: string | null): number | undefined {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : undefined;
}

function isTyping(event: Event): boolean {
  const at = event.composedPath()[0];
  return at instanceof HTMLElement && (at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName));
}

function isApple(): boolean {
  return /mac|iphone|ipad/i.test(navigator.platform);
}
