/** Builds nodes. Text only ever becomes text: nothing here parses HTML. */

export type Attributes = Record<string, string | number | boolean | undefined>;

/** An element with attributes (`false` and `undefined` leave one out) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** A line drawing on a 20 × 20 grid. */
export function icon(path: string, part: string): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  set(svg, { viewBox: '0 0 20 20', 'aria-hidden': 'true', part });
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  set(line, { d: path });
  svg.append(line);
  return svg;
}

function set(made: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, String(value));
  }
}

/** Text with some of it highlighted. Marks that overlap, go backwards or lie outside are skipped. */
export function marked(text: string, marks: readonly (readonly [number, number])[]): (Node | string)[] {
  const out: (Node | string)[] = [];
  let at = 0;
  for (const [start, end] of marks) {
    if (!(start >= at && end > start && end <= text.length)) continue;
    out.push(text.slice(at, start), element('mark', { part: 'mark' }, text.slice(start, end)));
    at = end;
  }
  out.push(text.slice(at));
  return out;
}

const sheets = new Map<string, CSSStyleSheet>();

/** The style sheet of some rules, one for all elements that have them; no policy of a page forbids such. */
export function sheetOf(css: string): CSSStyleSheet {
  let sheet = sheets.get(css);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    sheets.set(css, sheet);
  }
  return sheet;
}
