/** What the elements beside a search field have in common: they follow the fields of their instance. */
import type { SearchResult } from '../../index.js';
import { follow } from '../language.js';
import type { CoracleSearch } from '../search.js';
import { english, type PartStrings } from './strings.js';

const instanceOf = (element: Element) => element.getAttribute('instance') ?? '';

/** The elements of an instance, of these kinds. */
export function joined<T extends Element>(part: Element, kinds: string): T[] {
  return [...document.querySelectorAll<T>(kinds)].filter((other) => instanceOf(other) === instanceOf(part));
}

export abstract class Part extends HTMLElement {
  protected strings: PartStrings = english;
  /** The fields that were met. */
  protected readonly fields = new Set<CoracleSearch>();
  #disconnect: AbortController | undefined;

  connectedCallback(): void {
    const { signal } = (this.#disconnect = new AbortController());
    follow(this, signal, (texts) => {
      this.strings = texts?.parts ?? english;
      this.label();
    });
    this.label();
    // Fields tell their state as soon as they are there, however late that is.
    const observer = new MutationObserver((records) => {
      for (const field of new Set(records.map(({ target }) => target))) {
        if (!this.#isMine(field)) continue;
        this.#meet(field);
        this.turned(field);
      }
    });
    observer.observe(document, { subtree: true, attributeFilter: ['state'] });
    signal.addEventListener('abort', () => observer.disconnect());
    const hear = (type: string, take: (field: CoracleSearch, detail: never) => void) =>
      document.addEventListener(
        type,
        ({ target, detail }: CustomEventInit & Event) => {
          if (this.#isMine(target)) take(target, detail as never);
        },
        { capture: true, signal },
      );
    hear('coracle-preview', (field, result: SearchResult) => this.found(field, result, true));
    hear('coracle-results', (field, result: SearchResult) => this.found(field, result, false));
    hear('coracle-error', (field, error: Error) => this.failed(field, error));
    for (const field of joined<CoracleSearch>(this, 'coracle-search[state]')) this.#meet(field);
  }

  disconnectedCallback(): void {
    this.#disconnect?.abort();
    for (const field of this.fields) this.leave(field);
    this.fields.clear();
  }

  #isMine(target: unknown): target is CoracleSearch {
    return target instanceof Element && target.localName === 'coracle-search' && instanceOf(target) === instanceOf(this);
  }

  #meet(field: CoracleSearch): void {
    if (this.fields.has(field)) return;
    this.fields.add(field);
    this.join(field);
  }

  /** Texts are to be written, anew perhaps. */
  protected abstract label(): void;
  /** A field is there. */
  protected abstract join(field: CoracleSearch): void;
  /** The element goes away. */
  protected abstract leave(field: CoracleSearch): void;
  /** A field has come to a state. */
  protected abstract turned(field: CoracleSearch): void;
  protected abstract found(field: CoracleSearch, result: SearchResult, isPreview: boolean): void;
  protected abstract failed(field: CoracleSearch, error: Error): void;
}
