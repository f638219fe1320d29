/** `<coracle-search>`: a search field with results while typing. */
import { isAbort } from '../error.js';
import type { Filter, Hit, Index, Mode, SearchOptions, SearchResult } from '../index.js';
import { Announcer } from './announcer.js';
import { element, icon } from './dom.js';
import { option } from './hit.js';
import { warm, withShared } from './shared.js';
import { english, type Strings } from './strings.js';
import css from './style.css';

/** What the element is doing; reflected in its `state` attribute. */
export type State = 'idle' | 'loading' | 'results' | 'empty' | 'error';

const DEBOUNCE_MS = 90;
/** The engine returns no more hits than this for one query, however they are paged. */
const MOST_HITS = 100;
const LENS = 'M9 3.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M13 13l4 4';
const CROSS = 'M5.5 5.5l9 9M14.5 5.5l-9 9';

let sheet: CSSStyleSheet | undefined;
let instances = 0;

/**
 * A search field with results while typing: a combobox with a list of links.
 *
 * ```html
 * <script type="module" src="/coracle/coracle-search.js"></script>
 * <coracle-search src="/search/"></coracle-search>
 * ```
 *
 * @element coracle-search
 *
 * @attr {string} src - folder of the index; default `/search/`
 * @attr {string} placeholder - text in the empty field
 * @attr {string} label - name of the field for screen readers
 * @attr {number} limit - results at a time; default 8
 * @attr {'hybrid'|'keyword'|'vector'} mode - how to search; default: the index's best
 * @attr {'document'|'chunk'} group - one result per document (default) or every matching passage
 * @attr {string} filter - metadata filter, as JSON
 * @attr {string} base - URL that results' addresses are relative to; default: the page
 * @attr {string} hotkey - focuses the field from anywhere: one character, or `mod+` and a character
 * @attr {'focus'|'load'} preload - when to open the index; default `focus`
 * @attr {boolean} inline - results push the page down instead of covering it
 * @attr {'light'|'dark'} theme - default: the page's `color-scheme`
 * @attr {State} state - set by the element: `idle`, `loading`, `results`, `empty`, `error`
 *
 * @fires {CustomEvent<SearchResult>} coracle-results - after results were shown
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
 * @csspart mark - a word found
 * @csspart message - what is said when nothing was found or something failed
 * @csspart footer - line with the count
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
  static readonly observedAttributes = ['src', 'placeholder', 'label', 'hotkey', 'preload', 'mode', 'filter', 'group', 'limit'];

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
    role: 'combobox',
    'aria-autocomplete': 'list',
    'aria-haspopup': 'listbox',
    'aria-expanded': 'false',
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
  #index: Index | undefined;
  #filter: Filter | undefined;
  #state: State = 'idle';
  #hits: Hit[] = [];
  #active = -1;
  #asked = '';
  #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #disconnect: AbortController | undefined;

  constructor() {
    super();
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
    }
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    root.adoptedStyleSheets = [sheet];
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
    this.#more.addEventListener('click', () => this.#run(this.#hits.length));
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
    this.#strings = { ...english, ...strings };
    this.#label();
  }

  connectedCallback(): void {
    this.#disconnect = new AbortController();
    this.#label();
    this.#show('idle');
    document.addEventListener('keydown', (event) => this.#globalKey(event), { signal: this.#disconnect.signal });
    if (this.getAttribute('preload') === 'load') this.#warm();
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
    else if (name === 'preload') {
      if (after === 'load') this.#warm();
    } else this.#again();
  }

  // Searching

  get #src(): string {
    return new URL(this.getAttribute('src') ?? '/search/', document.baseURI).href;
  }

  #warm(): void {
    if (!this.#index) warm(this.#src);
  }

  #typed(delay = DEBOUNCE_MS): void {
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
    this.#show('loading');
    try {
      const query = this.value.trim();
      const options = { ...this.#options(offset), offset, signal };
      const search = async (index: Index) => {
        signal.throwIfAborted();
        return index.search(query, options);
      };
      const result = await (this.#index ? search(this.#index) : withShared(this.#src, search));
      signal.throwIfAborted();
      this.#found(result, offset);
    } catch (thrown) {
      if (signal.aborted || isAbort(thrown)) return;
      this.#failed(thrown as Error);
    }
  }

  #options(offset: number): SearchOptions {
    const limit = Math.min(positive(this.getAttribute('limit')) ?? 8, MOST_HITS - offset);
    // A space behind it finishes the last word.
    const options: SearchOptions = { limit, prefix: !/\s$/.test(this.value) };
    const mode = this.getAttribute('mode');
    const group = this.getAttribute('group');
    const filter = this.filter;
    if (mode) options.mode = mode as Mode;
    if (group) options.group = group as 'document' | 'chunk';
    if (filter) options.filter = filter;
    return options;
  }

  // Showing

  #found(result: SearchResult, offset: number): void {
    const base = new URL(this.getAttribute('base') ?? '', document.baseURI).href;
    const made = result.hits.map((hit, at) => option(hit, offset + at, `${this.#id}-hit-${offset + at}`, base));
    if (offset === 0) {
      // Who selected a result while the last letters were searched for keeps it.
      const selected = this.#hits[this.#active]?.chunk;
      this.#hits = result.hits;
      this.#results.replaceChildren(...made);
      this.#results.scrollTop = 0;
      this.#activate(result.hits.findIndex(({ chunk }) => chunk === selected));
    } else {
      this.#hits = [...this.#hits, ...result.hits];
      this.#results.append(...made);
    }
    for (const hit of this.#results.children) hit.setAttribute('aria-setsize', String(result.total));
    this.#tell(result);
    const count = this.#strings.count(this.#hits.length, result.total);
    this.#count.textContent = count;
    this.#more.hidden = made.length === 0 || this.#hits.length >= Math.min(result.total, MOST_HITS);
    if (this.#hits.length === 0) {
      const none = `${this.#strings.none} “${result.query}”`;
      this.#message.replaceChildren(element('strong', {}, none), this.#strings.noneHint);
      this.#announcer.say(`${none}. ${this.#strings.noneHint}`);
      this.#show('empty');
    } else {
      const notice = this.#notice.hidden ? '' : `. ${this.#notice.textContent}`;
      this.#announcer.say(count + notice);
      this.#show('results');
    }
    if (offset > 0 && made[0]) {
      this.#input.focus();
      this.#activate(offset);
    }
    this.dispatchEvent(new CustomEvent('coracle-results', { detail: result }));
  }

  /** Says what is unusual about a result: other words were searched, or less than was asked. */
  #tell({ query, corrections, degraded }: SearchResult): void {
    const lines: HTMLElement[] = [];
    if (corrections.length > 0) {
      lines.push(element('div', {}, `${this.#strings.corrected} `, ...corrected(query, corrections)));
    }
    if (degraded) lines.push(element('div', {}, this.#strings.degraded));
    this.#notice.replaceChildren(...lines);
    this.#notice.hidden = lines.length === 0;
  }

  #failed(error: Error): void {
    const retry = element('button', { part: 'retry', type: 'button' }, this.#strings.retry);
    retry.addEventListener('click', () => {
      this.#input.focus();
      this.#run();
    });
    this.#message.replaceChildren(element('strong', {}, this.#strings.failed), error.message, retry);
    this.#hits = [];
    this.#announcer.say(`${this.#strings.failed}. ${error.message}`);
    this.#show('error');
    this.dispatchEvent(new CustomEvent('coracle-error', { detail: error }));
  }

  #show(state: State): void {
    this.#state = state;
    this.setAttribute('state', state);
    this.#input.setAttribute('aria-busy', String(state === 'loading'));
    if (state !== 'loading') {
      const results = state === 'results';
      this.#results.hidden = !results;
      this.#footer.hidden = !results;
      this.#message.hidden = state !== 'empty' && state !== 'error';
      if (!results) {
        this.#notice.hidden = true;
        this.#results.replaceChildren();
        this.#activate(-1);
      }
    }
    this.#unfold();
  }

  /** Shows the panel if there is something in it and the element has the focus (or lies inline). */
  #unfold(): void {
    const full = !this.#results.hidden || !this.#message.hidden;
    const wanted = full && (this.hasAttribute('inline') || this.matches(':focus-within'));
    if (wanted) {
      const room = innerHeight - this.#input.getBoundingClientRect().bottom - 24;
      this.#panel.style.setProperty('--_room', `${room}px`);
    }
    this.#panel.hidden = !wanted;
    this.#input.setAttribute('aria-expanded', String(wanted && !this.#results.hidden));
  }

  #fold(): void {
    if (this.hasAttribute('inline')) return;
    this.#panel.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#activate(-1);
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
    hit?.setAttribute('part', active ? 'hit hit-active' : 'hit');
    hit?.setAttribute('aria-selected', String(active));
  }

  #label(): void {
    const strings = this.#strings;
    this.#input.placeholder = this.getAttribute('placeholder') ?? strings.placeholder;
    const label = this.getAttribute('label') ?? strings.label;
    this.#input.setAttribute('aria-label', label);
    this.#results.setAttribute('aria-label', label);
    this.#clear.setAttribute('aria-label', strings.clear);
    this.#more.textContent = strings.more;
    this.#keys.replaceChildren(
      element('span', {}, element('kbd', {}, '↑↓'), strings.move),
      element('span', {}, element('kbd', {}, '↵'), strings.select),
      element('span', {}, element('kbd', {}, 'esc'), strings.close),
    );
    const hotkey = this.getAttribute('hotkey');
    this.#hotkey.hidden = !hotkey || this.value !== '';
    if (hotkey) {
      this.#hotkey.textContent = hotkey.replace('mod+', isApple() ? '⌘' : 'Ctrl ').toUpperCase().replace('CTRL', 'Ctrl');
      this.#input.setAttribute('aria-keyshortcuts', hotkey.replace('mod+', isApple() ? 'Meta+' : 'Control+'));
    } else this.#input.removeAttribute('aria-keyshortcuts');
  }

  // Keyboard and mouse

  #key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const last = this.#hits.length - 1;
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
    const hit = link && this.#hits[[...this.#results.children].indexOf(link)];
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

/** The query with the words that were replaced, replaced and emphasised. */
function corrected(query: string, corrections: SearchResult['corrections']): (Node | string)[] {
  const to = new Map(corrections.map((correction) => [correction.from.toLowerCase(), correction.to]));
  return query.split(/(\s+)/).map((word) => {
    const replacement = to.get(word.toLowerCase());
    return replacement === undefined ? word : element('strong', {}, replacement);
  });
}

function parsed(json: string | null): Filter | undefined {
  if (!json) return undefined;
  try {
    return JSON.parse(json) as Filter;
  } catch {
    throw new SyntaxError(`coracle-search: the filter attribute is not JSON: ${json}`);
  }
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
