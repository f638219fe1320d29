/** One question and its answer: what is told about it, and the nodes that show it. */
import { element, icon, marked } from '../dom.js';
import { address } from '../hit.js';
import { AskError, type AnswerEvent, type Citation, type Outcome, type Source } from './client.js';
import { nearest } from './passage.js';
import { Prose } from './prose.js';
import type { AskStrings } from './strings.js';

const ARROW = 'M8 4.5H4.5v11h11V12M11 4.5h4.5V9M15.5 4.5l-7 7';

/** What a visitor may want of a turn. */
export interface Wishes {
  retry(turn: Turn): void;
  rate(turn: Turn, rating: 'up' | 'down'): Promise<void>;
  /** Before the page of a source is opened. */
  select(source: Source, event: MouseEvent): void;
}

interface Row {
  item: HTMLLIElement;
  details: HTMLDetailsElement;
  summary: HTMLElement;
  passage: HTMLElement;
}

export class Turn {
  readonly node: HTMLLIElement;
  text = '';
  sources: Source[] = [];
  citations: Citation[] = [];
  outcome: Outcome | undefined;
  error: AskError | undefined;
  /** Identifier of the request, for feedback. */
  request: string | undefined;

  readonly #status = element('p', { part: 'status' });
  readonly #notice = element('div', { part: 'notice', hidden: true });
  readonly #list = element('ol', { part: 'source-list' });
  readonly #sources: HTMLElement;
  readonly #actions = element('div', { part: 'actions', hidden: true });
  #prose: Prose;
  #rows = new Map<number, Row>();
  #degraded = new Map<string, string>();
  #frame = 0;
  #isPast = false;
  #countdown: ReturnType<typeof setInterval> | undefined;
  /** The citation that was followed last, to come back to. */
  #followed: HTMLElement | undefined;

  constructor(
    readonly question: string,
    readonly id: string,
    readonly strings: AskStrings,
    readonly base: string,
    readonly wishes: Wishes,
    readonly hasFeedback: boolean,
  ) {
    const title = element('h3', { part: 'sources-title', id: `${id}-sources` }, strings.sources);
    const asked = element('p', { part: 'question', role: 'heading', 'aria-level': 2, dir: 'auto' }, question);
    this.#sources = element('div', { part: 'sources', role: 'group', 'aria-labelledby': title.id, hidden: true }, title, this.#list);
    this.#sources.addEventListener('keydown', (event) => this.#back(event));
    this.#prose = this.#written();
    this.node = element('li', { part: 'turn' }, asked, this.#status, this.#prose.node, this.#notice, this.#sources, this.#actions);
    this.begin();
  }

  /** Empties the answer: it is asked for, once more perhaps. */
  begin(): void {
    this.settle();
    [this.text, this.sources, this.citations, this.outcome, this.error, this.request] = ['', [], [], undefined, undefined, undefined];
    this.#degraded.clear();
    this.#rows.clear();
    const prose = this.#written();
    this.#prose.node.replaceWith(prose.node);
    this.#prose = prose;
    this.#list.replaceChildren();
    this.#say(this.strings.searching);
    for (const part of [this.#notice, this.#sources, this.#actions]) part.hidden = true;
    this.#prose.node.ariaBusy = 'true';
  }

  take(event: AnswerEvent): void {
    switch (event.type) {
      case 'search':
        return this.#say(`${this.strings.searchingFor} “${event.query}”`);
      case 'sources':
        this.sources = event.sources;
        return this.#listSources();
      case 'delta':
        this.text += event.text;
        this.#say(this.strings.writing);
        // More often than once a frame nobody sees it.
        this.#frame ||= requestAnimationFrame(() => this.#render());
        return undefined;
      case 'citation':
        this.citations.push(event);
        return undefined;
      case 'degraded':
        this.#degraded.set(event.part, event.code);
        return undefined;
      case 'error':
        return undefined;
      case 'done':
        this.outcome = event.outcome;
    }
  }

  /** Says how it ended. */
  end(outcome: Outcome, error?: AskError): void {
    this.outcome = outcome;
    this.error = error;
    this.#render();
    this.#status.hidden = true;
    this.#prose.node.ariaBusy = 'false';
    const lines = this.#lines();
    this.#notice.replaceChildren(...lines.map((line) => element('p', {}, line)));
    this.#notice.setAttribute('part', outcome === 'failed' || outcome === 'broken' ? 'notice notice-error' : 'notice');
    this.#notice.hidden = lines.length === 0;
    this.#sources.hidden = this.sources.length === 0 || outcome === 'not-covered';
    const cited = new Set(this.citations.flatMap(({ sources }) => sources));
    for (const [number, { item }] of this.#rows) {
      item.setAttribute('part', cited.size === 0 || cited.has(number) ? 'source' : 'source source-unused');
    }
    this.#act();
  }

  /** Whatever still runs for this turn ends. */
  settle(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    clearInterval(this.#countdown);
  }

  /** A later turn is asked: this one cannot be asked again any more. */
  pass(): void {
    this.#isPast = true;
    clearInterval(this.#countdown);
    this.#actions.querySelector('[part=retry]')?.remove();
    this.#actions.hidden = this.#actions.childElementCount === 0;
  }

  /** What is spoken about the end. */
  get spoken(): string {
    const cited = new Set(this.citations.flatMap(({ sources }) => sources)).size;
    const answer = this.#shown === '' ? '' : `${this.strings.finished(cited)} ${this.#prose.node.innerText}`;
    return [...this.#lines(), answer].filter(Boolean).join(' ');
  }

  /** That nothing was found the service says in words of its own, in one language. */
  get #shown(): string {
    return this.outcome === 'not-covered' ? '' : this.text;
  }

  #written(): Prose {
    return new Prose({
      has: (number) => this.sources.some((source) => source.number === number),
      cite: (number, at) => this.#citation(number, at),
      follow: (href) => this.#follow(href),
      code: this.strings.code,
      table: this.strings.table,
    });
  }

  #render(): void {
    this.settle();
    const root = this.node.getRootNode() as ShadowRoot;
    const focused = root.activeElement instanceof HTMLElement ? root.activeElement.dataset.at : undefined;
    // Sentences of documents are no Markdown.
    this.#prose.show(this.#shown, this.outcome === 'extractive');
    const buttons = [...this.#prose.node.querySelectorAll<HTMLElement>('button[data-at]')];
    for (const button of buttons) {
      const { at, number } = button.dataset;
      const isDoubtful = this.#cited(Number(at))?.supported === false;
      const { title } = this.#source(Number(number))!;
      const name = this.strings.source(Number(number), title);
      button.setAttribute('part', isDoubtful ? 'citation citation-unsupported' : 'citation');
      button.textContent = isDoubtful ? `${number}?` : number!;
      button.ariaLabel = isDoubtful ? `${name}, ${this.strings.unsupported}` : name;
      button.title = button.ariaLabel;
    }
    // Whoever stood on a citation of a line that was written anew stands there still.
    if (focused !== undefined && !root.activeElement) buttons.find(({ dataset }) => dataset.at === focused)?.focus();
  }

  #say(status: string): void {
    this.#status.hidden = false;
    if (this.#status.textContent !== status) this.#status.textContent = status;
  }

  #lines(): string[] {
    const { strings, outcome } = this;
    const degraded = [...this.#degraded].map(([part, code]) => (code === 'budget' ? strings.budget : (strings.degraded[part] ?? '')));
    const lines = [...degraded, strings.outcomes[outcome!] ?? ''];
    if (this.error) lines.push(strings.errors[this.error.code]);
    if (this.error?.code === 'rejected') lines.push(this.error.message);
    if (this.citations.some(({ supported }) => !supported)) lines.push(strings.unsupportedNote);
    return [...new Set(lines.filter(Boolean))];
  }

  #act(): void {
    const { strings, outcome } = this;
    const nodes: Node[] = [];
    if (['failed', 'broken', 'stopped', 'refused'].includes(outcome!)) {
      if (!this.#isPast) nodes.push(this.#retry());
    } else if (this.hasFeedback) {
      nodes.push(...this.#feedback());
    }
    this.#actions.replaceChildren(...nodes);
    this.#actions.hidden = nodes.length === 0;
    this.#actions.ariaLabel = nodes.length > 1 ? strings.helpful : null;
  }

  #retry(): HTMLElement {
    const button = element('button', { part: 'retry', type: 'button' }, this.strings.retry);
    button.addEventListener('click', () => {
      if (button.ariaDisabled !== 'true') this.wishes.retry(this);
    });
    const until = Date.now() + (this.error?.retryAfter ?? 0) * 1000;
    const count = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      button.textContent = left > 0 ? this.strings.retryIn(left) : this.strings.retry;
      // Not `disabled`, which would take the focus away.
      button.ariaDisabled = String(left > 0);
      if (left <= 0) clearInterval(this.#countdown);
    };
    this.#countdown = setInterval(count, 1000);
    count();
    return button;
  }

  #feedback(): Node[] {
    const { strings } = this;
    const said = element('span', { part: 'feedback-said', role: 'status' });
    const buttons = (['up', 'down'] as const).map((rating) => {
      const text = rating === 'up' ? strings.yes : strings.no;
      const button = element('button', { part: 'feedback', type: 'button', 'aria-pressed': 'false' }, text);
      button.addEventListener('click', async () => {
        for (const other of buttons) other.ariaPressed = String(other === button);
        try {
          await this.wishes.rate(this, rating);
          said.textContent = strings.thanks;
        } catch {
          button.ariaPressed = 'false';
          said.textContent = strings.feedbackFailed;
        }
      });
      return button;
    });
    const asked = element('span', { id: `${this.id}-helpful` }, strings.helpful);
    return [asked, element('div', { part: 'feedback-buttons', role: 'group', 'aria-labelledby': asked.id }, ...buttons), said];
  }

  // Sources and citations

  #source(number: number): Source | undefined {
    return this.sources.find((source) => source.number === number);
  }

  #cited(at: number): Citation | undefined {
    return this.citations.find(({ start, end }) => start <= at && at < end);
  }

  #listSources(): void {
    this.#rows.clear();
    const items = this.sources.map((source) => {
      const summary = element(
        'summary',
        { part: 'source-summary' },
        element('span', { part: 'source-number' }, String(source.number)),
        element('span', { part: 'source-title', dir: 'auto' }, source.title || source.id),
      );
      const above = source.headings.filter((heading, at) => heading !== '' && !(at === 0 && heading === source.title));
      if (above.length > 0) summary.append(element('span', { part: 'source-headings', dir: 'auto' }, above.join(' › ')));
      const passage = element('blockquote', { part: 'passage', dir: 'auto' }, source.text);
      const details = element('details', { part: 'source-details', id: `${this.id}-source-${source.number}` }, summary, passage);
      const item = element('li', { part: 'source' }, details);
      const target = address(source, this.base);
      if (target) {
        const name = this.strings.open(source.title || source.id);
        const link = element('a', { part: 'source-link', href: target.href, title: name, 'aria-label': name }, icon(ARROW, 'source-icon'));
        link.addEventListener('click', (event) => this.wishes.select(source, event));
        item.append(link);
      }
      this.#rows.set(source.number, { item, details, summary, passage });
      return item;
    });
    this.#list.replaceChildren(...items);
    this.#sources.hidden = items.length === 0;
  }

  #citation(number: number, at: number): HTMLElement {
    const controls = `${this.id}-source-${number}`;
    const button = element('button', { part: 'citation', type: 'button', 'data-at': at, 'data-number': number, 'aria-controls': controls }, `${number}`);
    button.addEventListener('click', () => this.#openSource(number, at, button));
    // Numbers stand close to their words, and one after the other.
    return element('sup', {}, button);
  }

  /** Opens the passage of a source and marks what the citing sentence rests on. */
  #openSource(number: number, at: number, from: HTMLElement): void {
    const row = this.#rows.get(number);
    if (!row) return;
    this.#followed = from;
    const { text } = this.#source(number)!;
    const citation = this.#cited(at);
    const sentence = citation && this.text.slice(citation.start, citation.end);
    const found = sentence === undefined ? undefined : nearest(text, sentence);
    row.passage.replaceChildren(...marked(text, found ? [found] : []));
    for (const { item } of this.#rows.values()) item.classList.toggle('current', item === row.item);
    row.details.open = true;
    row.summary.focus({ preventScroll: true });
    (row.passage.querySelector('mark') ?? row.item).scrollIntoView({ block: 'nearest' });
  }

  /** Escape in the sources leads back to the citation that led there. */
  #back(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || !this.#followed?.isConnected) return;
    event.preventDefault();
    event.stopPropagation();
    this.#followed.focus();
    this.#followed = undefined;
  }

  /** Answers link to the pages of their sources and nowhere else. */
  #follow(href: string): string | undefined {
    const page = ({ origin, pathname, search }: URL) => origin + pathname + search;
    let url: URL;
    try {
      url = new URL(href, this.base);
    } catch {
      return undefined;
    }
    const targets = this.sources.map((source) => address(source, this.base));
    return targets.some((target) => target && page(target) === page(url)) ? url.href : undefined;
  }
}
