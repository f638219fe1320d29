/**
 * The Markdown that models write in answers → blocks, as data.
 *
 * A subset: paragraphs, lists, quotes, tables, code, emphasis, links. Everything else, HTML too, is text.
 * Libraries small enough for a page either give HTML or mistake `snake_case`, `a[10]` and `C:\path`, of
 * which answers about software are full, for Markdown.
 */

/** A piece of a line. A `mark` is the private-use character that stands for a citation. */
export type Inline =
  | string
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em'; inside: Inline[] }
  | { kind: 'link'; href: string; inside: Inline[] }
  | { kind: 'break' }
  | { kind: 'mark'; mark: string };

export type Block =
  | { kind: 'paragraph' | 'heading'; inside: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'quote'; blocks: Block[] }
  /** `start` is the first number of an ordered list. */
  | { kind: 'list'; start: number | undefined; items: Block[][] }
  | { kind: 'table'; hasHead: boolean; rows: Inline[][][] };

/** Quotes and lists within each other; what is deeper is a paragraph. Nothing may exhaust the stack. */
const MAX_DEPTH = 6;

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`]*$/;
const HEADING = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const ROW = /^\s*\|.*\|\s*$/;
const HEAD_RULE = /^[\s|:-]*-[\s|:-]*$/;
const BLANK = /^\s*$/;

/** The blocks of a text; one that is not whole yet is read as far as it goes. */
export function blocks(text: string): Block[] {
  return parse(text.split(/\r\n?|\n/), 0);
}

function parse(lines: string[], depth: number): Block[] {
  const out: Block[] = [];
  const nests = depth < MAX_DEPTH;
  let at = 0;
  /** The lines from here on that go on matching. */
  const take = (goesOn: (line: string) => boolean) => {
    const from = at;
    while (at < lines.length && goesOn(lines[at]!)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at]!;
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    if (BLANK.test(line) || RULE.test(line)) at += 1;
    else if (fence) {
      at += 1;
      const isEnd = (line: string) => line.trim().startsWith(fence) && line.trim().replaceAll(fence[0]!, '') === '';
      out.push({ kind: 'code', text: take((line) => !isEnd(line)).join('\n') });
      at += 1;
    } else if (heading) {
      at += 1;
      out.push({ kind: 'heading', inside: inline(heading[1]!) });
    } else if (nests && QUOTE.test(line)) {
      const quoted = take((line) => QUOTE.test(line)).map((line) => line.replace(QUOTE, ''));
      out.push({ kind: 'quote', blocks: parse(quoted, depth + 1) });
    } else if (ROW.test(line)) {
      const rows = take((line) => ROW.test(line));
      const hasHead = rows.length > 1 && HEAD_RULE.test(rows[1]!);
      if (hasHead) rows.splice(1, 1);
      out.push({ kind: 'table', hasHead, rows: rows.map(cells) });
    } else if (nests && item) {
      const sort = item[2]!.at(-1);
      const isOne = (line: string) => {
        const next = ITEM.exec(line);
        return next && next[2]!.at(-1) === sort && next[1]!.length <= item[1]!.length + 1 && !RULE.test(line);
      };
      const items: Block[][] = [];
      while (at < lines.length && isOne(lines[at]!)) {
        const [lead] = ITEM.exec(lines[at]!)!;
        const first = lines[at]!.slice(lead.length);
        at += 1;
        // What is indented belongs to the item, and so does a paragraph's line that is not.
        const indent = item[1]!.length + 2;
        const isBelow = (line: string | undefined) => line !== undefined && line.search(/\S/) >= indent;
        const rest = take((line) => {
          if (isBelow(line)) return true;
          if (BLANK.test(line)) return isBelow(lines.slice(at).find((line) => !BLANK.test(line)));
          return !BLANK.test(lines[at - 1]!) && !starts(line) && !isOne(line);
        });
        const margin = Math.min(lead.length, ...rest.filter(isBelow).map((line) => line.search(/\S/)));
        const dedented = rest.map((line) => (isBelow(line) ? line.slice(margin) : line));
        items.push(parse([first, ...dedented], depth + 1));
        // A blank line between two items does not end the list.
        const next = lines.slice(at).findIndex((line) => !BLANK.test(line));
        if (next > 0 && isOne(lines[at + next]!)) at += next;
      }
      const start = sort === '.' || sort === ')' ? Number.parseInt(item[2]!, 10) : undefined;
      out.push({ kind: 'list', start, items });
    } else {
      at += 1;
      const rest = take((line) => !BLANK.test(line) && !starts(line));
      const paragraph = [line, ...rest].map((line) => line.trimStart()).join('\n');
      out.push({ kind: 'paragraph', inside: inline(paragraph.trimEnd()) });
    }
  }
  return out;
}

/** Whether a line begins a block, and so ends a paragraph. A list that does begins with 1. */
function starts(line: string): boolean {
  const item = ITEM.exec(line);
  const begins = item && item[3] !== '' && !/^(?!1\D)\d/.test(item[2]!);
  return [FENCE, HEADING, RULE, QUOTE, ROW].some((pattern) => pattern.test(line)) || !!begins;
}

function cells(row: string): Inline[][] {
  const inner = row.trim().slice(1, -1);
  return inner.split(/(?<!\\)\|/).map((cell) => inline(cell.trim().replaceAll('\\|', '|')));
}

/**
 * One pattern for each sort of piece; how far it looks is bounded, so that a long text of brackets or stars
 * takes no longer than any other.
 */
const PIECES: [RegExp, (match: string[]) => Inline][] = [
  [/[\uE000-\uF8FF]/y, ([mark]) => ({ kind: 'mark', mark: mark! })],
  [/\\([!-/:-@[-`{-~])/y, ([, character]) => character!],
  [/(?:\\| {2,})\n/y, () => ({ kind: 'break' })],
  [/(?<!`)(`+)(?!`)([^]{0,1000}?[^`])\1(?!`)/y, ([, , text]) => ({ kind: 'code', text: text!.replaceAll('\n', ' ').replace(/^ (.*) $/, '$1') })],
  // Without one of these characters it is no address but code, as in `table[i](x)`.
  [/!?\[([^[\]\n]{1,300})\]\(\s*<?([^\s()<>]{0,2000}[/.#][^\s()<>]{0,2000})>?\s*(?:"[^"\n]{0,300}"\s*)?\)/y, ([all, text, href]) => link(all!, text!, href!)],
  [/<(https?:\/\/[^\s<>]{1,2000})>/y, ([, href]) => ({ kind: 'link', href: href!, inside: [href!] })],
  [/https?:\/\/[^\s<>()[\]"\uE000-\uF8FF]{1,2000}(?<![.,:;!?*_'])/y, ([href]) => ({ kind: 'link', href: href!, inside: [href!] })],
  [/\*\*\*(?=[^\s*])([^]{0,1000}?[^\s*\\])\*\*\*/y, ([, text]) => ({ kind: 'strong', inside: [{ kind: 'em', inside: inline(text!) }] })],
  [/\*\*(?=[^\s*])([^]{0,1000}?[^\s\\])\*\*/y, ([, text]) => ({ kind: 'strong', inside: inline(text!) })],
  [/(?<![\p{L}\p{N}_])__(?=[^\s_])([^]{0,1000}?[^\s\\])__(?![\p{L}\p{N}_])/uy, ([, text]) => ({ kind: 'strong', inside: inline(text!) })],
  [/\*(?=[^\s*])([^*]{0,1000}?[^\s*\\])\*(?!\*)/y, ([, text]) => ({ kind: 'em', inside: inline(text!) })],
  [/(?<![\p{L}\p{N}_])_(?=[^\s_])([^_]{0,1000}?[^\s_\\])_(?![\p{L}\p{N}_])/uy, ([, text]) => ({ kind: 'em', inside: inline(text!) })],
];

/** Where a piece may begin. */
const OPENS = /[\uE000-\uF8FF\\ `![<h*_]/g;

function inline(text: string): Inline[] {
  const out: Inline[] = [];
  const push = (piece: Inline) => {
    const last = out.length - 1;
    if (typeof piece === 'string' && typeof out[last] === 'string') out[last] += piece;
    else if (piece !== '') out.push(piece);
  };
  let at = 0;
  while (at < text.length) {
    OPENS.lastIndex = at;
    const next = OPENS.exec(text)?.index ?? text.length;
    push(text.slice(at, next));
    at = next;
    if (at === text.length) break;
    let length = 1;
    let piece: Inline = text[at]!;
    for (const [pattern, make] of PIECES) {
      pattern.lastIndex = at;
      const match = pattern.exec(text);
      if (!match) continue;
      length = match[0].length;
      piece = make(match);
      break;
    }
    push(piece);
    at += length;
  }
  return out;
}

/** A link; an image is its text, for it would be fetched without anybody's click. */
function link(all: string, text: string, href: string): Inline {
  return all.startsWith('!') ? text : { kind: 'link', href, inside: inline(text) };
}
