/** An answer's text as nodes: built one by one, so that nothing in it is ever parsed as HTML. */
import { element } from '../dom.js';
import { blocks, type Block, type Inline } from './markdown.js';

/** Characters that stand for citations while the text is parsed: private ones, which no answer needs. */
const FIRST_MARK = 0xe000;
const PRIVATE = /[\uE000-\uF8FF]/g;
const MARK = /\[(\d{1,3})\](?!\()/g;

export interface Surroundings {
  /** Whether there is a source of this number. */
  has(number: number): boolean;
  /** What shows the citation of a source at a place of the text. */
  cite(number: number, at: number): HTMLElement;
  /** Where a link leads; it is text if that is nowhere the sources are. */
  follow(href: string): string | undefined;
  code: string;
  table: string;
}

interface Shown {
  json: string;
  nodes: Node[];
}

export class Prose {
  readonly node = element('div', { part: 'answer', dir: 'auto' });
  #shown: Shown[] = [];
  #marks: { number: number; at: number }[] = [];

  constructor(readonly around: Surroundings) {}

  /** Shows a text: of blocks that are there already it touches none. As `plain` text it has no Markdown. */
  show(text: string, plain = false): void {
    this.#marks = [];
    const marked = text.replace(PRIVATE, '\uFFFD').replace(MARK, (all, digits: string, at: number) => {
      const number = Number(digits);
      const mark = FIRST_MARK + this.#marks.length;
      if (!this.around.has(number) || mark > 0xf8ff) return all;
      this.#marks.push({ number, at });
      return String.fromCharCode(mark);
    });
    const parsed = plain ? verbatim(marked) : blocks(marked);
    const shown = parsed.map((block, at) => {
      const json = JSON.stringify(block);
      const before = this.#shown[at];
      return before?.json === json ? before : { json, nodes: this.#block(block) };
    });
    const same = shown.findIndex((one, at) => one !== this.#shown[at]);
    if (same === -1 && shown.length === this.#shown.length) return;
    const from = same === -1 ? shown.length : same;
    for (const { nodes } of this.#shown.slice(from)) for (const node of nodes) (node as ChildNode).remove();
    this.node.append(...shown.slice(from).flatMap(({ nodes }) => nodes));
    this.#shown = shown;
  }

  #block(block: Block): Node[] {
    switch (block.kind) {
      case 'paragraph':
        return [element('p', {}, ...this.#line(block.inside))];
      case 'heading':
        // The page's own headings are not to be mixed with a model's.
        return [element('p', { part: 'answer-heading' }, ...this.#line(block.inside))];
      case 'code':
        return [scrolling(this.around.code, 'pre', element('code', {}, this.#unmarked(block.text)))];
      case 'quote':
        return [element('blockquote', {}, ...this.#all(block.blocks))];
      case 'list': {
        const items = block.items.map((item) => {
          const [first, ...rest] = item;
          // A line of its own needs no paragraph.
          const lead = first?.kind === 'paragraph' ? this.#line(first.inside) : first ? this.#block(first) : [];
          return element('li', {}, ...lead, ...this.#all(rest));
        });
        const { start } = block;
        return [start === undefined ? element('ul', {}, ...items) : element('ol', { start }, ...items)];
      }
      case 'table': {
        const rows = block.rows.map((cells, row) => {
          const isHead = block.hasHead && row === 0;
          return element('tr', {}, ...cells.map((cell) => element(isHead ? 'th' : 'td', {}, ...this.#line(cell))));
        });
        return [scrolling(this.around.table, 'div', element('table', {}, ...rows))];
      }
    }
  }

  #all(all: Block[]): Node[] {
    return all.flatMap((block) => this.#block(block));
  }

  #line(line: Inline[]): (Node | string)[] {
    return line.map((piece) => {
      if (typeof piece === 'string') return piece;
      switch (piece.kind) {
        case 'code':
          return element('code', {}, this.#unmarked(piece.text));
        case 'strong':
        case 'em':
          return element(piece.kind, {}, ...this.#line(piece.inside));
        case 'break':
          return element('br');
        case 'mark': {
          const mark = this.#marks[piece.mark.charCodeAt(0) - FIRST_MARK]!;
          return this.around.cite(mark.number, mark.at);
        }
        case 'link': {
          const href = this.around.follow(piece.href);
          const inside = this.#line(piece.inside);
          return href ? element('a', { part: 'answer-link', href }, ...inside) : element('span', {}, ...inside);
        }
      }
    });
  }

  /** In code a number in brackets is code. */
  #unmarked(text: string): string {
    return text.replace(PRIVATE, (mark) => `[${this.#marks[mark.charCodeAt(0) - FIRST_MARK]!.number}]`);
  }
}

function verbatim(text: string): Block[] {
  const paragraphs = text.split(/\n{2,}/).filter((paragraph) => paragraph.trim() !== '');
  return paragraphs.map((paragraph) => {
    const pieces = paragraph.split(/([\uE000-\uF8FF])/).filter(Boolean);
    const inside = pieces.map((piece): Inline => (/^[\uE000-\uF8FF]$/.test(piece) ? { kind: 'mark', mark: piece } : piece));
    return { kind: 'paragraph', inside };
  });
}

/** What may be too wide scrolls by itself, so it must be reachable by keyboard. */
function scrolling(label: string, tag: 'pre' | 'div', inside: Node): HTMLElement {
  const dir = tag === 'pre' && 'ltr';
  return element(tag, { part: 'answer-wide', role: 'group', 'aria-label': label, tabindex: 0, dir }, inside);
}
