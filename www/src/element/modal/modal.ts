/** `<coracle-modal>`: a dialog with the search field, and with the field for questions beside it. */
import type { CoracleAsk } from '../ask/ask.js';
import { element, icon, sheetOf } from '../dom.js';
import { follow } from '../language.js';
import type { CoracleSearch } from '../search.js';
import { english, type ModalStrings } from './strings.js';
import css from './style.css';

const LENS = 'M9 3.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11M13 13l4 4';
const CROSS = 'M5.5 5.5l9 9M14.5 5.5l-9 9';

/** Attributes that the search field it makes takes over. */
const PASSED = ['src', 'public-key', 'placeholder', 'limit', 'mode', 'group', 'sections', 'filter', 'base', 'theme', 'preload', 'highlight-param'];

const KINDS = ['search', 'ask'] as const;
type Kind = (typeof KINDS)[number];

let instances = 0;

/**
 * A button, and a key, that open a dialog with a search field; with `ask`, there is a second tab with a
 * field for questions. The elements in it are those of the scripts `coracle-search.js` and
 * `coracle-ask.js`; the second tab is there as soon as the latter is.
 *
 * ```html
 * <script type="module" src="/coracle/coracle-search.js"></script>
 * <script type="module" src="/coracle/coracle-modal.js"></script>
 * <coracle-modal src="/search/"></coracle-modal>
 * ```
 *
 * Fields of your own are used instead: `<coracle-search slot="search" inline>`, `<coracle-ask slot="ask">`.
 *
 * @element coracle-modal
 *
 * @attr {string} hotkey - opens and closes the dialog from anywhere: `mod+` and a character, or one character; default `mod+k`
 * @attr {string} ask - address of the answering service's route `/query`
 * @attr {boolean} no-button - there is no button: the page has its own, which calls `open()`
 * @attr {string} src - this and the following ones are those of `<coracle-search>`
 * @attr {string} public-key
 * @attr {string} placeholder
 * @attr {number} limit
 * @attr {'hybrid'|'keyword'|'vector'} mode
 * @attr {'document'|'chunk'} group
 * @attr {number} sections
 * @attr {string} filter
 * @attr {string} base
 * @attr {string} highlight-param
 * @attr {'light'|'dark'} theme
 * @attr {'focus'|'load'} preload
 * @attr {string} lang - language of the texts, as for any element; default: that of the page
 * @attr {string} instance - name that joins it with a `<coracle-config>`
 * @attr {boolean} open - set by the element while the dialog is open
 *
 * @fires {CustomEvent} coracle-open - after the dialog was opened
 * @fires {CustomEvent} coracle-close - after it was closed
 *
 * @slot search - the search field
 * @slot ask - the field for questions
 *
 * @csspart button - opens the dialog; inside it `button-icon`, `button-text`, `hotkey`
 * @csspart dialog - the dialog
 * @csspart bar - its first line
 * @csspart tab - one of two ways to look for something; the chosen one has `tab-active` too
 * @csspart close - closes the dialog
 *
 * @cssprop --coracle-dialog-width - width of the dialog; default 44rem
 * @cssprop --coracle-backdrop - colour over the page behind it
 * @cssprop --coracle-accent - and all others of `<coracle-search>` that say how boxes and text look
 */
export class CoracleModal extends HTMLElement {
  static readonly observedAttributes = ['hotkey', 'ask', ...PASSED];

  readonly #id = `coracle-modal-${++instances}`;
  readonly #text = element('span', { part: 'button-text' });
  readonly #hotkey = element('kbd', { part: 'hotkey', 'aria-hidden': 'true' });
  readonly #button = element('button', { part: 'button', type: 'button', 'aria-haspopup': 'dialog' }, icon(LENS, 'button-icon'), this.#text, this.#hotkey);
  readonly #tabs = new Map(KINDS.map((kind) => [kind, this.#tab(kind)]));
  readonly #list = element('div', { part: 'tabs', role: 'tablist', hidden: true }, ...this.#tabs.values());
  readonly #close = element('button', { part: 'close', type: 'button' }, icon(CROSS, 'close-icon'));
  readonly #panels = new Map(
    KINDS.map((kind) => [kind, element('div', { part: 'panel', id: `${this.#id}-${kind}-panel` }, element('slot', { name: kind }))]),
  );
  readonly #dialog = element(
    'dialog',
    { part: 'dialog' },
    element('div', { part: 'bar' }, this.#list, this.#close),
    element('div', { part: 'body' }, ...this.#panels.values()),
  );

  #strings = english;
  /** Texts that replace those of the element's language. */
  #own: Partial<ModalStrings> = {};
  #language: ModalStrings | undefined;
  #chosen: Kind = 'search';
  #overflow = '';
  #disconnect: AbortController | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheetOf(css)];
    root.append(this.#button, this.#dialog);
    this.#button.addEventListener('click', () => this.open());
    this.#close.addEventListener('click', () => this.close());
    this.#dialog.addEventListener('close', () => this.#closed());
    this.#dialog.addEventListener('click', (event) => {
      // Nothing of the dialog is under a click on its own box: it has no padding.
      if (event.target === this.#dialog || leaves(event)) this.close();
    });
    this.#list.addEventListener('keydown', (event) => this.#arrow(event));
  }

  /** Texts of the element. Assign the ones to replace. */
  get strings(): ModalStrings {
    return this.#strings;
  }

  set strings(strings: Partial<ModalStrings>) {
    this.#own = strings;
    this.#strings = { ...english, ...this.#language, ...strings };
    this.#label();
  }

  /** Whether the dialog is open. */
  get isOpen(): boolean {
    return this.#dialog.open;
  }

  /** Opens the dialog, with the search field or the one for questions. */
  open(kind: Kind = this.#chosen): void {
    if (!this.isConnected) return;
    if (!this.#dialog.open) {
      this.#dialog.showModal();
      this.toggleAttribute('open', true);
      // The page behind the dialog does not scroll.
      const { style } = document.documentElement;
      [this.#overflow, style.overflow] = [style.overflow, 'hidden'];
      this.dispatchEvent(new CustomEvent('coracle-open'));
    }
    this.#choose(kind);
    this.#field(this.#chosen)?.focus();
  }

  /** Closes it; the focus goes back to where it was. */
  close(): void {
    this.#dialog.close();
  }

  connectedCallback(): void {
    this.#disconnect = new AbortController();
    const { signal } = this.#disconnect;
    document.addEventListener('keydown', (event) => this.#globalKey(event), { signal });
    follow(this, signal, (texts) => {
      this.#language = texts?.modal;
      this.strings = this.#own;
    });
    if (!this.#field('search')) this.append(element('coracle-search' as 'div', { slot: 'search', inline: true }));
    this.#pass();
    this.#label();
    this.#choose(this.#chosen);
    customElements.whenDefined('coracle-ask').then(() => {
      if (!signal.aborted) this.#withAsk();
    });
  }

  disconnectedCallback(): void {
    this.#disconnect?.abort();
    this.close();
    // The event would come too late.
    if (this.hasAttribute('open')) this.#closed();
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected) return;
    if (name === 'ask') this.#withAsk();
    this.#pass();
    this.#label();
  }

  #field(kind: 'search'): CoracleSearch | null;
  #field(kind: 'ask'): CoracleAsk | null;
  #field(kind: Kind): CoracleSearch | CoracleAsk | null;
  #field(kind: Kind): CoracleSearch | CoracleAsk | null {
    return this.querySelector(`:scope > [slot=${kind}]`);
  }

  /** The second tab, where there is somebody to ask and something to do it with. */
  #withAsk(): void {
    if (!customElements.get('coracle-ask')) return;
    const api = this.getAttribute('ask');
    if (api !== null && !this.#field('ask')) this.append(element('coracle-ask' as 'div', { slot: 'ask' }));
    this.#pass();
    this.#choose(this.#chosen);
  }

  #pass(): void {
    const pass = (to: Element | null, name: string, value = this.getAttribute(name)) => {
      if (to && value !== null) to.setAttribute(name, value);
    };
    for (const name of PASSED) pass(this.#field('search'), name);
    for (const name of ['filter', 'base', 'theme']) pass(this.#field('ask'), name);
    pass(this.#field('ask'), 'api', this.getAttribute('ask'));
  }

  #tab(kind: Kind): HTMLButtonElement {
    const tab = element('button', { part: 'tab', type: 'button', role: 'tab', id: `${this.#id}-${kind}-tab`, 'aria-controls': `${this.#id}-${kind}-panel` });
    tab.addEventListener('click', () => {
      this.#choose(kind);
      this.#field(kind)?.focus();
    });
    return tab;
  }

  #choose(kind: Kind): void {
    const hasTabs = this.#field('ask') !== null && customElements.get('coracle-ask') !== undefined;
    const chosen = hasTabs ? kind : 'search';
    const [search, ask] = [this.#field('search'), this.#field('ask')];
    // What was typed into the one field is most likely what the other one is opened for.
    if (chosen === 'ask' && this.#chosen === 'search' && ask && !ask.value) ask.value = search?.value ?? '';
    this.#chosen = chosen;
    this.#list.hidden = !hasTabs;
    for (const kind of KINDS) {
      const isChosen = kind === chosen;
      const [tab, panel] = [this.#tabs.get(kind)!, this.#panels.get(kind)!];
      tab.setAttribute('part', isChosen ? 'tab tab-active' : 'tab');
      tab.ariaSelected = String(isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      panel.hidden = !isChosen;
      if (hasTabs) {
        panel.role = 'tabpanel';
        panel.setAttribute('aria-labelledby', tab.id);
      }
    }
  }

  #arrow(event: KeyboardEvent): void {
    const turns = ['ArrowLeft', 'ArrowRight', 'Home', 'End'];
    if (!turns.includes(event.key)) return;
    event.preventDefault();
    const other = event.key === 'Home' ? 'search' : event.key === 'End' ? 'ask' : this.#chosen === 'search' ? 'ask' : 'search';
    this.#choose(other);
    this.#tabs.get(other)!.focus();
  }

  #closed(): void {
    this.toggleAttribute('open', false);
    document.documentElement.style.overflow = this.#overflow;
    this.dispatchEvent(new CustomEvent('coracle-close'));
  }

  #label(): void {
    const strings = this.#strings;
    this.#text.textContent = strings.search;
    this.#dialog.ariaLabel = strings.search;
    this.#close.ariaLabel = strings.close;
    for (const kind of KINDS) this.#tabs.get(kind)!.textContent = strings[kind];
    const key = this.#key;
    const mod = isApple() ? ['⌘', 'Meta+'] : ['Ctrl ', 'Control+'];
    this.#hotkey.textContent = key.toUpperCase().replace('MOD+', mod[0]!);
    this.#hotkey.hidden = key === '';
    this.#button.ariaKeyShortcuts = key === '' ? null : key.replace('mod+', mod[1]!);
  }

  get #key(): string {
    return this.getAttribute('hotkey') ?? 'mod+k';
  }

  #globalKey(event: KeyboardEvent): void {
    const key = this.#key;
    const wanted = key.startsWith('mod+');
    if (key === '' || event.defaultPrevented || event.altKey || event.shiftKey || wanted !== (event.ctrlKey || event.metaKey)) return;
    if (event.key.toLowerCase() !== key.replace('mod+', '').toLowerCase() || (!wanted && isTyping(event))) return;
    event.preventDefault();
    if (this.#dialog.open) this.close();
    else this.open();
  }
}

/** Whether a click leads to a page in this tab, which is not to be covered by the dialog. */
function leaves(event: MouseEvent): boolean {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return false;
  return event.composedPath().some((node) => node instanceof HTMLAnchorElement && node.href !== '');
}

function isTyping(event: Event): boolean {
  const at = event.composedPath()[0];
  return at instanceof HTMLElement && (at.isContentEditable || /^(input|textarea|select)$/i.test(at.tagName));
}

function isApple(): boolean {
  return /mac|iphone|ipad/i.test(navigator.platform);
}
