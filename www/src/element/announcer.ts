/**
 * A live region that is always heard: two regions take turns, since screen readers pass over a text
 * that replaces an equal one, and a pause keeps them from reading every keystroke's result.
 */
import { element } from './dom.js';

const PAUSE_MS = 600;

export class Announcer {
  readonly node = element('div', { class: 'spoken' });
  readonly #regions = [0, 1].map(() => element('div', { 'aria-live': 'polite', 'aria-atomic': 'true' }));
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.node.append(...this.#regions);
  }

  say(text: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#regions[this.#turn]!.textContent = '';
      this.#turn = 1 - this.#turn;
      this.#regions[this.#turn]!.textContent = text;
    }, PAUSE_MS);
  }

  hush(): void {
    clearTimeout(this.#timer);
  }
}
