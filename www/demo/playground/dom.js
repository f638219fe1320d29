// Nodes for the playground. Text only ever becomes text: an index may come from anywhere.

/** An element with attributes (`undefined` leaves one out) and children. */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in a drawing. */
export function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A bar of a share of the width. The page's policy forbids style attributes, not the style object. */
export function bar(share, kind, from = 0) {
  const made = element('span', { class: `bar ${kind}`, 'aria-hidden': 'true' }, element('span'));
  made.firstChild.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  made.firstChild.style.marginInlineStart = `${100 * from}%`;
  return made;
}

/** A table of rows: a name, a bar, a figure. */
export function bars(caption, rows) {
  const line = ([name, made, figure]) =>
    element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, made), element('td', { class: 'figure' }, figure));
  return element('table', { class: 'bars' }, element('caption', {}, caption), element('tbody', {}, ...rows.map(line)));
}

export const kilobytes = (bytes) => `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;

export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
