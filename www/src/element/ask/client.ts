/** The answering service, as a page asks it: `POST /query`, events as they come. */
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Filter } from '../../index.js';

/** A passage that an answer may cite. */
export interface Source {
  /** Its number, from 1. */
  number: number;
  /** Identifier of the document. */
  id: string;
  title: string;
  url: string;
  /** Fragment of the nearest heading, without `#`; may be empty. */
  anchor: string;
  /** Headings above the passage, outermost first. */
  headings: string[];
  text: string;
}

/** What a sentence of an answer rests on. */
export interface Citation {
  /** The sentence, in UTF-16 units of the whole answer. */
  start: number;
  end: number;
  /** Numbers of sources. */
  sources: number[];
  /** Share of the sentence's words that these sources have. */
  support: number;
  /** Whether that is enough. */
  supported: boolean;
}

/** How an answer ended; `stopped` by the visitor, `failed` before it began. */
export type Outcome =
  | 'answered' | 'uncited' | 'extractive' | 'not-covered' | 'length' | 'refused' | 'broken' | 'stopped' | 'failed';

export type AnswerEvent =
  | { type: 'search'; query: string }
  | { type: 'sources'; sources: Source[] }
  | { type: 'delta'; text: string }
  | ({ type: 'citation' } & Citation)
  | { type: 'degraded'; part: string; code: string }
  | { type: 'error'; code: string; message: string }
  | { type: 'done'; outcome: Outcome };

export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

export interface Question {
  question: string;
  history: Message[];
  filter?: Filter;
}

/** Why there is no answer. */
export type AskErrorCode = 'offline' | 'unreachable' | 'rate' | 'forbidden' | 'rejected' | 'unavailable';

export class AskError extends Error {
  override readonly name = 'AskError';

  constructor(
    readonly code: AskErrorCode,
    message: string,
    /** Seconds after which asking again may help. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** What the service takes. */
const MAX_MESSAGES = 20;
const MAX_MESSAGE = 8000;
export const MAX_QUESTION = 1000;

/** Passes a challenge that the service sets to visitors, and returns what it is to be sent of that. */
export type Challenge = (signal: AbortSignal) => string | Promise<string>;

/** Tokens of services that want one, by the addresses that give them. */
const sessions = new Map<string, string>();

/** Sends a question; where the service wants a session and there is none, or no more, after one began. */
async function send(api: string, init: RequestInit, signal: AbortSignal, challenge: Challenge | undefined): Promise<Response> {
  const place = new URL('session', api).href;
  const post = () => {
    const token = sessions.get(place);
    const headers = { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) };
    return fetch(api, { ...init, headers, signal });
  };
  const response = await post();
  if (response.status !== 401) return response;
  sessions.delete(place);
  let turnstile: string | undefined;
  try {
    turnstile = await challenge?.(signal);
  } catch (thrown) {
    signal.throwIfAborted();
    throw new AskError('forbidden', String(thrown));
  }
  const begun = await fetch(place, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ turnstile }), signal });
  // A service without sessions refuses for another reason.
  if (!begun.ok) throw await refusal(begun.status === 404 ? response : begun);
  sessions.set(place, ((await begun.json()) as { token: string }).token);
  return post();
}

/**
 * Asks, and hands on what happens, in order.
 *
 * @param challenge asked when the service wants a session to begin
 * @returns the request's identifier, for feedback
 * @throws AskError, or what `signal` was aborted with
 */
export async function ask(
  api: string,
  { question, history, filter }: Question,
  signal: AbortSignal,
  take: (event: AnswerEvent) => void,
  challenge?: Challenge,
): Promise<string | undefined> {
  const messages = history.slice(-MAX_MESSAGES).map(({ role, content }) => ({ role, content: content.slice(0, MAX_MESSAGE) }));
  let response: Response;
  try {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
    const body = JSON.stringify({ question, filter, ...(messages.length > 0 && { history: messages }) });
    response = await send(api, { method: 'POST', headers, body }, signal, challenge);
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof AskError) throw thrown;
    throw new AskError(navigator.onLine ? 'unreachable' : 'offline', (thrown as Error).message);
  }
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!response.ok || !isStream || !response.body) throw await refusal(response);

  const parser = createParser({ onEvent: (message) => handOn(message, take) });
  const reader = response.body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) parser.feed(part.value);
  } catch (thrown) {
    signal.throwIfAborted();
    // The connection broke: what has come stands, and whoever reads the events misses the last one.
    if (!(thrown instanceof TypeError)) throw thrown;
  }
  return response.headers.get('x-request-id') ?? undefined;
}

/** Events of kinds that are not known yet are for newer pages. */
function handOn({ data }: EventSourceMessage, take: (event: AnswerEvent) => void): void {
  let event: AnswerEvent;
  try {
    event = JSON.parse(data) as AnswerEvent;
  } catch {
    return;
  }
  take(event);
}

async function refusal(response: Response): Promise<AskError> {
  const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  const message = body?.error?.message ?? `${response.status} ${response.statusText}`;
  const { status } = response;
  if (status === 429) return new AskError('rate', message, seconds(response.headers.get('retry-after')));
  if (status === 401 || status === 403) return new AskError('forbidden', message);
  // A 404, or a page in the place of events, is no answering service.
  if (status === 400 || status === 413) return new AskError('rejected', message);
  return new AskError('unavailable', message, seconds(response.headers.get('retry-after')));
}

function seconds(header: string | null): number {
  const value = Number(header);
  return value > 0 ? Math.min(Math.ceil(value), 3600) : 0;
}

/** Tells the service what a reader thinks of an answer; the route lies beside the one that answers. */
export async function rate(api: string, rating: 'up' | 'down', request: string | undefined): Promise<void> {
  const response = await fetch(new URL('feedback', api), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // Without its query: what stands there may be nobody's business.
    body: JSON.stringify({ rating, request, url: (location.origin + location.pathname).slice(0, 1000) }),
    keepalive: true,
  });
  if (!response.ok) throw await refusal(response);
}
