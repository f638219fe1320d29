/** `<coracle-config>`: attributes for several elements, in one place. */
import { joined } from './part.js';

/** What it hands on, where an element has no attribute of its own. */
const PASSED = ['src', 'public-key', 'mode', 'group', 'sections', 'filter', 'limit', 'base', 'highlight-param', 'theme', 'preload', 'beacon', 'recent', 'api', 'lang'];

/** Who takes which of them. */
const KINDS = 'coracle-search, coracle-modal, coracle-ask, coracle-results, coracle-facets';

/**
 * Attributes for all elements of an instance: what stands here need not stand on each of them. An attribute
 * of an element's own comes first.
 *
 * ```html
 * <coracle-config src="/search/" mode="keyword"></coracle-config>
 * ```
 *
 * @element coracle-config
 *
 * @attr {string} instance - name of the elements that it is for; without it, those without one
 * @attr {string} src - this and the following ones are those of `<coracle-search>`
 * @attr {string} public-key
 * @attr {'hybrid'|'keyword'|'vector'} mode
 * @attr {'document'|'chunk'} group
 * @attr {number} sections
 * @attr {string} filter
 * @attr {number} limit
 * @attr {string} base
 * @attr {string} highlight-param
 * @attr {'focus'|'load'} preload
 * @attr {string} beacon
 * @attr {boolean} recent
 * @attr {string} api - that of `<coracle-ask>`
 * @attr {'light'|'dark'} theme - for all elements
 * @attr {string} lang - for all elements
 */
export class CoracleConfig extends HTMLElement {
  static readonly observedAttributes = ['instance', ...PASSED];

  /** What was handed on, to be taken back or replaced. */
  #given = new Map<Element, Set<string>>();
  #observer: MutationObserver | undefined;

  connectedCallback(): void {
    this.hidden = true;
    this.#pass();
    // Elements may come later.
    this.#observer = new MutationObserver(() => this.#pass());
    this.#observer.observe(document, { subtree: true, childList: true });
  }

  disconnectedCallback(): void {
    this.#observer?.disconnect();
    this.#take();
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected) return;
    if (name === 'instance') this.#take();
    this.#pass();
  }

  #pass(): void {
    for (const element of joined<HTMLElement>(this, KINDS)) {
      const given = this.#given.get(element) ?? new Set();
      this.#given.set(element, given);
      for (const name of PASSED) {
        if (element.hasAttribute(name) && !given.has(name)) continue;
        const value = this.getAttribute(name);
        if (value === null) {
          if (given.delete(name)) element.removeAttribute(name);
        } else if (element.getAttribute(name) !== value) {
          given.add(name);
          element.setAttribute(name, value);
        }
      }
    }
  }

  /** Takes everything back. */
  #take(): void {
    for (const [element, names] of this.#given) for (const name of names) element.removeAttribute(name);
    this.#given.clear();
  }
}
