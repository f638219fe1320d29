/** `<coracle-ask>`: a field for questions, and their answers with sources. */
import { isAbort } from '../../error.js';
import type { Filter } from '../../index.js';
import { Announcer } from '../announcer.js';
import { element, sheetOf } from '../dom.js';
import { follow } from '../language.js';
import { ask, AskError, MAX_QUESTION, rate, type Challenge, type Citation, type Message, type Outcome, type Source } from './client.js';
import { english, type AskStrings } from './strings.js';
import css from './style.css';
import { Turn, type Wishes } from './turn.js';

/** What the element is doing; reflected in its `state` attribute. */
export type AskState = 'idle' | 'asking' | 'done' | 'error';

/** An answer as `coracle-answer` hands it out. */
export interface Answer {
  question: string;
  text: string;
  outcome: Outcome;
  sources: Source[];
  citations: Citation[];
}

let instances = 0;

/**
 * A field for questions. Answers come as they are written, with numbered sources; each citation opens the
 * passage that it names.
 *
 * ```html
 * <script type="module" src="/coracle/coracle-ask.js"></script>
 * <coracle-ask api="https://answers.example.org/query"></coracle-ask>
 * ```
 *
 * @element coracle-ask
 *
 * @attr {string} api - address of the answering service's route `/query`; default `/query`
 * @attr {string} placeholder - text in the empty field
 * @attr {string} label - name of the field for screen readers
 * @attr {string} filter - metadata filter of what may be cited, as JSON
 * @attr {string} base - URL that sources' addresses are relative to; default: the page
 * @attr {boolean} no-feedback - answers are not followed by the question whether they helped
 * @attr {string} lang - language of the texts, as for any element; default: that of the page
 * @attr {string} instance - name that joins it with a `<coracle-config>`
 * @attr {'light'|'dark'} theme - default: the page's `color-scheme`
 * @attr {AskState} state - set by the element: `idle`, `asking`, `done`, `error`
 *
 * @fires {CustomEvent<{question: string}>} coracle-ask - before a question is sent; cancel it to keep it
 * @fires {CustomEvent<Answer>} coracle-answer - after an answer came to its end, however it did
 * @fires {CustomEvent<Source>} coracle-select - before the page of a source is opened; cancel it to act yourself
 * @fires {CustomEvent<{rating: 'up'|'down'} & Answer>} coracle-feedback - after a visitor rated an answer
 * @fires {CustomEvent<Error>} coracle-error - after an error was shown
 *
 * @csspart turns - the list of questions and answers
 * @csspart turn - one of them
 * @csspart question - the question
 * @csspart status - what happens while there is no answer yet
 * @csspart answer - the answer; inside it `answer-heading`, `answer-link`, `answer-wide`
 * @csspart citation - a number in it; a doubtful one has `citation-unsupported` too
 * @csspart notice - what is unusual about an answer; of failures it has `notice-error` too
 * @csspart sources - box of the sources; `sources-title`, `source-list`
 * @csspart source - one of them; one that is not cited has `source-unused` too
 * @csspart source-summary - its line: `source-number`, `source-title`, `source-headings`
 * @csspart source-link - link to its page
 * @csspart passage - its text
 * @csspart mark - the sentence in it that a citation names
 * @csspart actions - line below an answer: `retry`, `feedback`, `feedback-said`
 * @csspart form - box around `input` and `send`
 * @csspart clear - the button that begins a new conversation
 *
 * @cssprop --coracle-accent - and all others of `<coracle-search>` that say how boxes and text look
 */
export class CoracleAsk extends HTMLElement {
  static readonly observedAttributes = ['placeholder', 'label'];

  /**
   * Passes a challenge that the service sets to visitors, and returns what it is to be sent of that: the
   * response of Cloudflare's Turnstile. Called before the first question, and when a session is over.
   */
  challenge: Challenge | undefined;

  readonly #id = `coracle-ask-${++instances}`;
  readonly #list = element('ol', { part: 'turns', role: 'list', hidden: true });
  readonly #input = element('textarea', { part: 'input', rows: 1, enterkeyhint: 'send', maxlength: MAX_QUESTION });
  readonly #send = element('button', { part: 'send', type: 'submit' });
  readonly #clear = element('button', { part: 'clear', type: 'button', hidden: true });
  readonly #announcer = new Announcer();

  #strings = english;
  /** Texts that replace those of the element's language. */
  #own: Partial<AskStrings> = {};
  #language: AskStrings | undefined;
  #disconnect: AbortController | undefined;
  #filter: Filter | undefined;
  #state: AskState = 'idle';
  #turns: Turn[] = [];
  #stop: AbortController | undefined;
  #asked = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    root.adoptedStyleSheets = [sheetOf(css)];
    const form = element('form', { part: 'form' }, this.#input, this.#send);
    root.append(this.#list, form, this.#clear, this.#announcer.node);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#stop) this.stop();
      else this.#submit();
    });
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#stop) this.#submit();
    });
    this.#clear.addEventListener('click', () => {
      this.clear();
      this.#input.focus();
    });
  }

  /** The text in the field. */
  get value(): string {
    return this.#input.value;
  }

  set value(text: string) {
    this.#input.value = text;
  }

  /** What the element is doing. */
  get state(): AskState {
    return this.#state;
  }

  /** Metadata filter of what may be cited; replaces the attribute of the same name. */
  get filter(): Filter | undefined {
    const json = this.getAttribute('filter');
    return this.#filter ?? (json ? (JSON.parse(json) as Filter) : undefined);
  }

  set filter(filter: Filter | undefined) {
    this.#filter = filter;
  }

  /** Texts of the element. Assign the ones to replace; they show in what is asked from then on. */
  get strings(): AskStrings {
    return this.#strings;
  }

  set strings(strings: Partial<AskStrings>) {
    const base = this.#language ?? english;
    const { outcomes, degraded, errors } = base;
    this.#own = strings;
    this.#strings = {
      ...base,
      ...strings,
      outcomes: { ...outcomes, ...strings.outcomes },
      degraded: { ...degraded, ...strings.degraded },
      errors: { ...errors, ...strings.errors },
    };
    this.#label();
  }

  /** Asks; in a conversation, as a follow-up question. Resolves when the answer came to its end. */
  async ask(question: string): Promise<void> {
    const text = question.trim();
    const asked = new CustomEvent('coracle-ask', { detail: { question: text }, bubbles: true, composed: true, cancelable: true });
    if (text === '' || !this.dispatchEvent(asked)) return;
    this.stop();
    this.#turns.at(-1)?.pass();
    const base = new URL(this.getAttribute('base') ?? '', document.baseURI).href;
    const id = `${this.#id}-${++this.#asked}`;
    const turn = new Turn(text, id, this.#strings, base, this.#wishes, !this.hasAttribute('no-feedback'));
    this.#turns.push(turn);
    this.#list.append(turn.node);
    await this.#run(turn);
  }

  /** Ends the answer that is being written; what is there of it stays. */
  stop(): void {
    this.#stop?.abort();
  }

  /** Forgets the conversation. */
  clear(): void {
    this.stop();
    for (const turn of this.#turns.splice(0)) turn.settle();
    this.#list.replaceChildren();
    this.#announcer.hush();
    this.#show('idle');
  }

  connectedCallback(): void {
    this.#disconnect = new AbortController();
    this.#label();
    this.#show(this.#state);
    follow(this, this.#disconnect.signal, (texts) => {
      this.#language = texts?.ask;
      this.strings = this.#own;
    });
  }

  disconnectedCallback(): void {
    this.#disconnect?.abort();
    this.stop();
    this.#announcer.hush();
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#label();
  }

  get #api(): string {
    return new URL(this.getAttribute('api') ?? '/query', document.baseURI).href;
  }

  readonly #wishes: Wishes = {
    retry: (turn) => {
      this.#input.focus();
      this.#run(turn);
    },
    rate: async (turn, rating) => {
      await rate(this.#api, rating, turn.request);
      this.dispatchEvent(new CustomEvent('coracle-feedback', { detail: { rating, ...told(turn) } }));
    },
    select: (source, event) => {
      const asked = new CustomEvent('coracle-select', { detail: source, bubbles: true, composed: true, cancelable: true });
      if (!this.dispatchEvent(asked)) event.preventDefault();
    },
  };

  #submit(): void {
    const question = this.value;
    if (question.trim() === '') return;
    this.value = '';
    this.ask(question);
  }

  /** Asks the question of a turn, and takes what comes. */
  async #run(turn: Turn): Promise<void> {
    const stop = (this.#stop = new AbortController());
    const { signal } = stop;
    turn.begin();
    this.#show('asking');
    this.#announcer.say(this.#strings.searching);
    turn.node.scrollIntoView({ block: 'nearest' });
    const question = { question: turn.question, history: this.#history(turn), filter: this.filter };
    let failure: AskError | undefined;
    try {
      turn.request = await ask(this.#api, question, signal, (event) => {
        if (!signal.aborted) turn.take(event);
      }, this.challenge);
    } catch (thrown) {
      if (!signal.aborted && !isAbort(thrown)) failure = asked(thrown);
    }
    // The conversation may have been given up meanwhile.
    if (!this.#turns.includes(turn)) return;
    // Without a last event the connection broke.
    const outcome = signal.aborted ? 'stopped' : failure ? 'failed' : (turn.outcome ?? 'broken');
    turn.end(outcome, failure);
    if (this.#stop !== stop) return;
    this.#stop = undefined;
    this.#show(outcome === 'failed' || outcome === 'broken' ? 'error' : 'done');
    this.#announcer.say(turn.spoken);
    this.dispatchEvent(new CustomEvent('coracle-answer', { detail: told(turn) }));
    if (failure) this.dispatchEvent(new CustomEvent('coracle-error', { detail: failure }));
  }

  /** What was said before a turn: questions that were answered, and their answers. */
  #history(turn: Turn): Message[] {
    const before = this.#turns.slice(0, this.#turns.indexOf(turn)).filter(({ text }) => text !== '');
    return before.flatMap(({ question, text }): Message[] => [
      { role: 'user', content: question },
      { role: 'assistant', content: text },
    ]);
  }

  #show(state: AskState): void {
    this.#state = state;
    this.setAttribute('state', state);
    const hasTurns = this.#turns.length > 0;
    this.#list.hidden = !hasTurns;
    this.#clear.hidden = !hasTurns || state === 'asking';
    this.#label();
  }

  #label(): void {
    const strings = this.#strings;
    const first = this.getAttribute('placeholder') ?? strings.placeholder;
    this.#input.placeholder = this.#turns.length > 0 ? strings.followUp : first;
    this.#input.ariaLabel = this.getAttribute('label') ?? strings.label;
    // One button, so that the focus stays where it is.
    this.#send.textContent = this.#state === 'asking' ? strings.stop : strings.ask;
    this.#clear.textContent = strings.clear;
  }
}

function told({ question, text, outcome, sources, citations }: Turn): Answer {
  return { question, text, outcome: outcome!, sources, citations };
}

function asked(thrown: unknown): AskError {
  return thrown instanceof AskError ? thrown : new AskError('unavailable', String(thrown));
}
