/** The language of an element: English, or that of its nearest `lang`, whose texts are loaded when needed. */
import { beside } from './beside.js';
import type { Translation } from './languages/phrases.js';

/** Languages that there is a file for. */
const FILES = 'ar bg ca cs da de el es fa fi fr he hi hr hu id it ja ko nb nl pl pt ro ru sk sv th tr uk ur vi zh'.split(' ');

/** The file of a language; empty: English, or none. */
function fileOf(tag: string): string {
  if (/^zh-(hant|tw|hk|mo)/i.test(tag)) return 'zh-Hant';
  const language = tag.slice(0, 2).toLowerCase();
  if (/^\w\w(-|$)/.test(tag)) return /n[on]/.test(language) ? 'nb' : FILES.includes(language) ? language : '';
  return '';
}

/** Those that run from right to left. */
const LEFTWARD = ['ar', 'fa', 'he', 'ur'];

/**
 * Hands out the texts in the element's language, now if it is another than English and whenever it
 * changes; `undefined` are the built-in ones.
 */
export function follow(element: HTMLElement, signal: AbortSignal, take: (texts?: Translation) => void): void {
  let current = '';
  let isTurned = false;
  /** The direction follows the language, unless somebody said which it is. */
  const turn = () => {
    if (isTurned) element.removeAttribute('dir');
    isTurned = LEFTWARD.includes(current) && !element.closest('[dir]');
    if (isTurned) element.dir = 'rtl';
  };
  const look = async () => {
    const file = fileOf(element.closest<HTMLElement>('[lang]')?.lang ?? '');
    if (file === current) return;
    current = file;
    const texts = file ? await beside(`languages/${file}.js`).catch(() => undefined) : undefined;
    if (file !== current || signal.aborted) return;
    turn();
    take(texts?.default);
  };
  look();
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, attributeFilter: ['lang'] });
  signal.addEventListener('abort', () => observer.disconnect());
}
