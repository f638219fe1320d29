/** `<coracle-facets>`: filters with counts beside a search field. */
import type { Filter, Scalar, SearchResult } from '../../index.js';
import { element, sheetOf } from '../dom.js';
import type { CoracleSearch } from '../search.js';
import { Part } from './part.js';
import css from './facets.css';

let instances = 0;

interface Row {
  value: Scalar;
  count: number;
  label: HTMLLabelElement;
  box: HTMLInputElement;
  number: HTMLElement;
}

interface Group {
  name: string;
  node: HTMLFieldSetElement;
  legend: HTMLLegendElement;
  list: HTMLElement;
  all: HTMLButtonElement;
  isWhole: boolean;
  rows: Map<Scalar, Row>;
}

/**
 * Checkboxes for the values of metadata fields, each with the number of results that have it. Values of one
 * field widen the search, several fields narrow it.
 *
 * ```html
 * <coracle-search src="/search/"></coracle-search>
 * <coracle-facets fields="section tags"></coracle-facets>
 * <coracle-results></coracle-results>
 * ```
 *
 * @element coracle-facets
 *
 * @attr {string} fields - names of metadata fields, with spaces between them
 * @attr {string} labels - titles of fields, as JSON: `{"lang":"Language"}`; default: their names
 * @attr {number} limit - values shown of a field before all are asked for; default 6
 * @attr {string} instance - name of the search field's instance
 * @attr {string} lang - language of the texts, as for any element; default: that of the page
 * @attr {'light'|'dark'} theme - default: the page's `color-scheme`
 *
 * @fires {CustomEvent<Filter | undefined>} coracle-filter - after something was chosen, with the filter made of it
 *
 * @csspart title - line above, with the button `clear`
 * @csspart group - one field
 * @csspart legend - its title
 * @csspart value - one of its values, with `box`, `name`, `number`
 * @csspart all - button that shows all values
 *
 * @cssprop --coracle-accent - and all others of `<coracle-search>` that say how text looks
 */
export class CoracleFacets extends Part {
  static readonly observedAttributes = ['fields', 'labels', 'limit'];

  readonly #id = `coracle-facets-${++instances}`;
  readonly #title = element('span', { id: `${this.#id}-title` });
  readonly #clear = element('button', { part: 'clear', type: 'button', hidden: true });
  readonly #groups = element('div', { part: 'groups' });
  readonly #box = element(
    'div',
    { part: 'facets', role: 'group', 'aria-labelledby': this.#title.id, hidden: true },
    element('div', { part: 'title' }, this.#title, this.#clear),
    this.#groups,
  );
  #made = new Map<string, Group>();
  #chosen = new Map<string, Set<Scalar>>();
  /** The query whose values stand in their order. */
  #query: string | undefined;
  #stop = new AbortController();

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheetOf(css)];
    root.append(this.#box);
    this.#clear.addEventListener('click', () => {
      this.clear();
      // The button goes away.
      this.#groups.querySelector('input')?.focus();
    });
  }

  /** What is chosen, by field. */
  get chosen(): Record<string, Scalar[]> {
    return Object.fromEntries([...this.#chosen].filter(([, values]) => values.size > 0).map(([name, values]) => [name, [...values]]));
  }

  /** Chooses nothing any more. */
  clear(): void {
    this.#chosen.clear();
    for (const { rows } of this.#made.values()) for (const { box } of rows.values()) box.checked = false;
    this.#choose();
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected) return;
    if (name === 'fields') {
      for (const field of this.fields) field.facets = this.#names;
      for (const [gone, { node }] of this.#made) {
        if (this.#names.includes(gone)) continue;
        node.remove();
        this.#made.delete(gone);
        this.#chosen.delete(gone);
      }
      this.#choose();
    }
    this.label();
  }

  get #names(): string[] {
    return (this.getAttribute('fields') ?? '').split(/\s+/).filter(Boolean);
  }

  protected override label(): void {
    const { strings } = this;
    this.#title.textContent = strings.filters;
    this.#clear.textContent = strings.clearFilters;
    const labels = JSON.parse(this.getAttribute('labels') ?? '{}') as Record<string, string>;
    for (const group of this.#made.values()) {
      group.legend.textContent = labels[group.name] ?? group.name;
      this.#fold(group);
    }
  }

  protected override join(field: CoracleSearch): void {
    field.facets = this.#names;
  }

  protected override leave(field: CoracleSearch): void {
    field.facets = undefined;
    field.filter = undefined;
  }

  protected override turned(field: CoracleSearch): void {
    if (field.state !== 'idle') return;
    this.#query = undefined;
    this.#hide();
  }

  protected override failed(): void {
    this.#hide();
  }

  protected override async found(field: CoracleSearch, result: SearchResult, isPreview: boolean): Promise<void> {
    if (isPreview) return;
    this.#stop.abort();
    const { signal } = (this.#stop = new AbortController());
    const facets = { ...result.facets };
    // What other values of a field would find is found without the condition on that field.
    await Promise.all(
      Object.keys(this.chosen).map(async (name) => {
        const options = { facets: [name], limit: 1, filter: this.#filter(field, name), signal };
        const wider = await field.search(result.query, options).catch(() => undefined);
        if (wider) facets[name] = wider.facets?.[name] ?? [];
      }),
    );
    if (signal.aborted) return;
    const isNew = result.query !== this.#query;
    this.#query = result.query;
    for (const name of this.#names) this.#count(name, facets[name] ?? [], isNew);
    this.#box.hidden = [...this.#made.values()].every(({ node }) => node.hidden);
  }

  /** Choices stay: they hold for the next query too. */
  #hide(): void {
    this.#stop.abort();
    this.#box.hidden = Object.keys(this.chosen).length === 0;
  }

  /** Shows the counts of a field's values; those that are there keep their places while the query stays. */
  #count(name: string, counts: { value: Scalar; count: number }[], isNew: boolean): void {
    const group = this.#group(name);
    const { rows, list } = group;
    for (const row of rows.values()) row.count = 0;
    for (const { value, count } of counts) this.#row(group, value).count = count;
    for (const [value, row] of rows) {
      row.number.textContent = row.count.toLocaleString(this.closest<HTMLElement>('[lang]')?.lang || 'en');
      if (isNew && row.count === 0 && !row.box.checked) {
        row.label.remove();
        rows.delete(value);
      }
    }
    if (isNew) list.append(...[...rows.values()].sort((a, b) => b.count - a.count).map(({ label }) => label));
    group.node.hidden = rows.size === 0;
    this.#fold(group);
  }

  #group(name: string): Group {
    const known = this.#made.get(name);
    if (known) return known;
    const list = element('div', { part: 'values', id: `${this.#id}-${this.#made.size}` });
    const legend = element('legend', { part: 'legend' });
    const all = element('button', { part: 'all', type: 'button', 'aria-controls': list.id });
    const node = element('fieldset', { part: 'group' }, legend, list, all);
    const group: Group = { name, node, legend, list, all, isWhole: false, rows: new Map() };
    all.addEventListener('click', () => {
      group.isWhole = !group.isWhole;
      this.#fold(group);
    });
    this.#made.set(name, group);
    this.#groups.append(node);
    this.label();
    return group;
  }

  #row({ name, rows, list }: Group, value: Scalar): Row {
    const known = rows.get(value);
    if (known) return known;
    const box = element('input', { part: 'box', type: 'checkbox' });
    const number = element('span', { part: 'number' });
    const label = element('label', { part: 'value' }, box, element('span', { part: 'name', dir: 'auto' }, String(value)), number);
    box.addEventListener('change', () => {
      const values = this.#chosen.get(name) ?? new Set();
      if (box.checked) values.add(value);
      else values.delete(value);
      this.#chosen.set(name, values);
      this.#choose();
    });
    const row: Row = { value, count: 0, label, box, number };
    rows.set(value, row);
    list.append(label);
    return row;
  }

  /** The rarer values hide behind a button, but for those that are chosen. */
  #fold({ list, rows, all, isWhole }: Group): void {
    const most = Number(this.getAttribute('limit')) || 6;
    const byNode = new Map([...rows.values()].map((row) => [row.label as Element, row]));
    [...list.children].forEach((label, at) => ((label as HTMLElement).hidden = !isWhole && at >= most && !byNode.get(label)?.box.checked));
    all.hidden = rows.size <= most;
    all.ariaExpanded = String(isWhole);
    all.textContent = isWhole ? this.strings.showFewer : this.strings.showAll;
  }

  #choose(): void {
    this.#clear.hidden = Object.keys(this.chosen).length === 0;
    let made: Filter | undefined;
    for (const field of this.fields) field.filter = made = this.#filter(field);
    this.dispatchEvent(new CustomEvent('coracle-filter', { detail: made, bubbles: true, composed: true }));
  }

  /** The field's own filter and what is chosen, but for one of the fields. */
  #filter(field: CoracleSearch, without?: string): Filter | undefined {
    const own = field.getAttribute('filter');
    const chosen = Object.entries(this.chosen).filter(([name]) => name !== without);
    const conditions = chosen.map(([name, values]): Filter => ({ field: { name, in: values } }));
    if (own) conditions.push(JSON.parse(own) as Filter);
    return conditions.length === 0 ? undefined : { and: conditions };
  }
}
