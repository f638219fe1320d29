/** One request on its way through the service: its task says what it wants, here it is done. */
import type { ServiceTask } from '../pkg/coracle_service.js';
import type { Reads } from '../../www/src/source.js';
import { Budget, chargeTo } from './limits.js';
import type { Memory } from './memory.js';
import { instance, isTrap, replace } from './module.js';

/** What a host offers to the service beside `fetch`. */
export interface Machine {
  /** A new source of the index's files. */
  source(): Reads;
  /** What `binding:NAME/…` addresses of models name. */
  bindings: Record<string, unknown>;
  /** A limiter of the host's own. */
  limiter?: RateLimit | undefined;
  memory: Memory;
  /** Subrequests that a request may send. */
  subrequests: number;
  log(line: string): void;
  report(thrown: unknown): void;
}

/** What requests of one service have in common. */
export interface Shared extends Machine {
  /** Sources by their numbers. */
  sources: Map<number, Reads>;
  /** Requests under way: one may wait for what another one reads. */
  running: Set<Run>;
  /** Lets requests read what they wait for another one to read. */
  release(): void;
}

/** So often a request looks whether another one has read what it waits for. */
const LOOK_MS = 5;

/** So long it waits for that; then it reads for itself. */
const PATIENCE_MS = 2000;

/** A request without any progress for so long is dead: its host ended it without a word. */
const DEAD_MS = 600_000;

/** Bytes of a response that are gathered before it begins. */
const GATHERED_BYTES = 64 << 10;

/** Statuses of responses without a body. */
const EMPTY = new Set([101, 204, 205, 304]);

type Want = [name: string, id: number, ...rest: unknown[]];

/** The service cannot answer this request any more: it failed, by the request itself or another one's. */
export class Broken extends Error {
  constructor(
    message: string,
    readonly isOwn: boolean,
  ) {
    super(message);
  }
}

export class Run {
  readonly #task: ServiceTask;
  readonly #shared: Shared;
  readonly #instance = instance();
  readonly #budget: Budget;
  /** What is under way, by the ids of the wants. */
  readonly #out = new Map<number, { name: string; stop: AbortController | undefined }>();
  readonly #bodies = new Map<number, ReadableStreamDefaultReader<Uint8Array>>();
  readonly #waitUntil: ((work: Promise<unknown>) => void) | undefined;
  #go: (() => void) | undefined;
  #isOver = false;
  #isGone = false;
  #steppedAt = Date.now();
  #head: { status: number; headers: [string, string][] } | undefined;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #onroom: (() => void) | undefined;
  #onhead: ((response: Response) => void) | undefined;
  #isHead: boolean;

  constructor(task: ServiceTask, shared: Shared, method: string, waitUntil: ((work: Promise<unknown>) => void) | undefined) {
    this.#task = task;
    this.#shared = shared;
    this.#budget = new Budget(shared.subrequests);
    this.#isHead = method === 'HEAD';
    this.#waitUntil = waitUntil;
  }

  /** The response, as soon as its head is known and it has nothing more to say at once. */
  respond(signal: AbortSignal | undefined): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#onhead = resolve;
      const gone = () => this.#leave();
      signal?.addEventListener('abort', gone);
      this.#shared.running.add(this);
      this.#drive()
        .then(
          () => (this.#onhead ? reject(new Broken('the request was given up', true)) : this.#stream?.close()),
          (thrown) => {
            if (!this.#onhead) this.#stream?.error(new Error('the response broke off'));
            reject(thrown);
          },
        )
        .catch(() => undefined)
        .finally(() => signal?.removeEventListener('abort', gone));
    });
  }

  /** Whether there is nothing to do for the task until something comes. */
  get #waits(): boolean {
    return !this.#isGone && !this.#isOver && this.#instance === instance() && !this.#task.awake;
  }

  /** Ends the task, if nothing was heard of its request for too long. */
  bury(): void {
    if (Date.now() - this.#steppedAt > DEAD_MS) this.#free();
  }

  async #drive(): Promise<void> {
    try {
      while (!this.#isGone) {
        if (this.#instance !== instance()) throw new Broken('the service was started anew', false);
        const wants = this.#step();
        if (this.#task.done) {
          this.#serve(wants);
          this.#begin(true);
          return;
        }
        this.#serve(wants);
        // What could be answered at once leaves the task awake.
        if (!this.#waits) continue;
        if (this.#head) this.#begin(false);
        await this.#turn();
      }
    } finally {
      this.#end();
    }
  }

  #step(): Want[] {
    this.#steppedAt = Date.now();
    let wants: Want[];
    try {
      const left = this.#budget.left('read');
      wants = this.#task.step(Number.isFinite(left) ? left : undefined) as Want[];
    } catch (thrown) {
      if (isTrap(thrown)) replace(this.#instance);
      this.#shared.report(thrown);
      throw new Broken('the service failed', true);
    }
    for (const other of this.#shared.running) if (other !== this) other.bury();
    return wants;
  }

  /** Waits until the task can go on. */
  async #turn(): Promise<void> {
    let since = Date.now();
    do {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const isIdle = [...this.#out.values()].every(({ name }) => name === 'sleep');
      await new Promise<void>((resolve) => {
        this.#go = resolve;
        // Nothing under way: another request is reading it. It must not call this one, which on workers
        // would go on in the other's name and be refused its own reads.
        if (isIdle) timer = setTimeout(resolve, LOOK_MS);
      });
      clearTimeout(timer);
      this.#go = undefined;
      // The other one may have ended without a word.
      if (isIdle && Date.now() - since > PATIENCE_MS && this.#instance === instance()) {
        this.#shared.release();
        // What it waits for may be longer work than a read, to which the service sets its own bound.
        since = Date.now();
      }
    } while (this.#waits);
  }

  /** The client is gone. */
  #leave(): void {
    this.#isGone = true;
    this.#go?.();
  }

  /** Ends all that is under way. */
  #end(): void {
    this.#free();
    for (const { stop } of this.#out.values()) abort(stop);
    this.#out.clear();
    for (const reader of this.#bodies.values()) void reader.cancel().catch(() => undefined);
    this.#bodies.clear();
  }

  #free(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#shared.running.delete(this);
    if (this.#instance !== instance()) return;
    // What is left to do is to write down how it ended.
    this.#serve(this.#task.stop() as Want[]);
    this.#task.free();
  }

  #answer(id: number, came: unknown): void {
    if (!this.#isOver && this.#instance === instance()) this.#task.answer(id, came);
    this.#go?.();
  }

  /** Does work for a want; what it throws is an answer too. */
  #start(name: string, id: number, stop: AbortController | undefined, work: () => Promise<unknown>): void {
    this.#out.set(id, { name, stop });
    const settle = (came: unknown) => {
      // A response's body is still to come, and may have to be stopped.
      if (name !== 'send') this.#out.delete(id);
      this.#answer(id, came);
    };
    work().then(settle, (thrown) => {
      this.#out.delete(id);
      settle(thrown ?? new Error('no reason was given'));
    });
  }

  #serve(wants: Want[]): void {
    // Reads of one step share a signal: by it what checks signatures knows that they belong together.
    let wave: Wave | undefined;
    for (const [name, id, ...rest] of wants) {
      switch (name) {
        case 'read': {
          const together = (wave ??= new Wave(this.#budget));
          const stop = together.add();
          const [number, file, start, end] = rest as [number, string, number?, number?];
          const read = () => this.#source(number).read(file, start, end, together.signal);
          this.#start(name, id, stop, () => read().finally(() => together.drop(stop)));
          break;
        }
        case 'send': {
          const stop = new AbortController();
          this.#start(name, id, stop, () => this.#send(id, stop, rest as [string, [string, string][], string, number]));
          break;
        }
        case 'next': {
          const [body, patience] = rest as [number, number];
          this.#start(name, id, undefined, () => this.#next(body, patience));
          break;
        }
        case 'sleep': {
          const stop = new AbortController();
          this.#start(name, id, stop, () => sleep(rest[0] as number, stop.signal));
          break;
        }
        case 'admits':
          if (this.#shared.limiter) this.#start(name, id, undefined, () => this.#admits(rest[0] as string, rest[1] as number));
          else this.#answer(id, null);
          break;
        case 'recall': {
          const stop = new AbortController();
          this.#start(name, id, stop, () => this.#shared.memory.recall(rest[0] as string, this.#budget, stop.signal).catch(() => null));
          break;
        }
        case 'keep': {
          const [key, value, seconds] = rest as [string, Uint8Array, number];
          const kept = this.#shared.memory.keep(key, value, seconds, this.#budget, new AbortController().signal);
          const done = kept.catch((thrown: unknown) => this.#shared.report(thrown));
          this.#waitUntil?.(done);
          this.#answer(id, true);
          break;
        }
        case 'head':
          this.#head = { status: rest[0] as number, headers: rest[1] as [string, string][] };
          this.#answer(id, true);
          break;
        case 'body':
          this.#put(id, rest[0] as Uint8Array);
          break;
        case 'log':
          this.#shared.log(rest[0] as string);
          break;
        case 'close':
          this.#shared.sources.delete(rest[0] as number);
          break;
        default:
          this.#cancel(id);
      }
    }
  }

  #source(number: number): Reads {
    const known = this.#shared.sources.get(number) ?? this.#shared.source();
    this.#shared.sources.set(number, known);
    return known;
  }

  #cancel(id: number): void {
    abort(this.#out.get(id)?.stop);
    this.#out.delete(id);
    void this.#bodies.get(id)?.cancel().catch(() => undefined);
    this.#bodies.delete(id);
  }

  async #send(id: number, stop: AbortController, [url, headers, body, patience]: [string, [string, string][], string, number]) {
    const { signal } = stop;
    const response = await this.#budget.spend('model', signal, async () => {
      const timer = setTimeout(() => abort(stop, timedOut()), patience);
      try {
        return await (url.startsWith('binding:') ? this.#run(url, body, signal) : post(url, headers, body, signal));
      } finally {
        clearTimeout(timer);
      }
    });
    const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
    if (reader && !this.#isOver && this.#out.has(id)) this.#bodies.set(id, reader);
    else void reader?.cancel().catch(() => undefined);
    const header = (...names: string[]) => names.map((name) => response.headers.get(name)).find((value) => value !== null) ?? undefined;
    return {
      status: response.status,
      retryAfterMs: header('retry-after-ms'),
      retryAfter: seconds(header('retry-after')),
      requestId: header('x-request-id', 'request-id', 'apim-request-id', 'cf-ai-req-id'),
    };
  }

  /** Runs a model that is bound to the worker: `binding:NAME/ai/run/MODEL`. */
  async #run(url: string, body: string, signal: AbortSignal): Promise<Response> {
    const [, name, model] = /^binding:([^/]+)\/(?:.*\/)?ai\/run\/(.+)$/.exec(url) ?? [];
    const bound = this.#shared.bindings[name ?? ''] as { run?: Ai['run'] } | undefined;
    if (typeof bound?.run !== 'function') throw new Error(`there is no binding ${name ?? url} with models`);
    return (await bound.run(model as never, JSON.parse(body) as never, { returnRawResponse: true, signal } as never)) as unknown as Response;
  }

  async #next(body: number, patience: number): Promise<Uint8Array | null> {
    const reader = this.#bodies.get(body);
    if (!reader) return null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(timedOut()), patience);
    });
    try {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) this.#bodies.delete(body);
      return done ? null : value;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A limiter counts requests; one that costs more counts as several. */
  async #admits(client: string, cost: number): Promise<boolean | null> {
    for (let left = cost; left > 0; left -= 1) {
      const { success } = await this.#shared.limiter!.limit({ key: client });
      if (!success) return false;
    }
    return true;
  }

  /** Takes bytes of the response's body; the answer comes when there is room for more. */
  #put(id: number, bytes: Uint8Array): void {
    if (this.#isHead) return this.#answer(id, true);
    if (!this.#stream) {
      this.#gathered.push(bytes);
      this.#gatheredBytes += bytes.length;
      if (this.#gatheredBytes < GATHERED_BYTES) return this.#answer(id, true);
      this.#begin(false);
    } else {
      this.#stream.enqueue(bytes);
    }
    if (this.#stream && this.#stream.desiredSize! > 0) return this.#answer(id, true);
    this.#out.set(id, { name: 'body', stop: undefined });
    this.#onroom = () => {
      this.#out.delete(id);
      this.#answer(id, true);
    };
  }

  /** Hands over the response, whole or with the rest of its body to come. */
  #begin(isWhole: boolean): void {
    const resolve = this.#onhead;
    if (!resolve) return;
    if (!this.#head) throw new Broken('the service gave no response', true);
    this.#onhead = undefined;
    const { status, headers } = this.#head;
    const gathered = this.#gathered;
    const init = { status, headers };
    if (EMPTY.has(status) || this.#isHead) return resolve(new Response(null, init));
    if (isWhole) return resolve(new Response(joined(gathered), init));
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#stream = controller;
        for (const bytes of gathered) controller.enqueue(bytes);
      },
      pull: () => {
        this.#onroom?.();
        this.#onroom = undefined;
      },
      cancel: () => this.#leave(),
    });
    resolve(new Response(stream, init));
  }
}

/** Reads that began together: they end together too, when none of them is wanted any more. */
class Wave {
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #wanted = new Set<AbortController>();

  constructor(budget: Budget) {
    this.signal = chargeTo(budget, this.#stop.signal);
  }

  /** One more read, with what calls it off. */
  add(): AbortController {
    const one = new AbortController();
    this.#wanted.add(one);
    one.signal.addEventListener('abort', () => this.drop(one));
    return one;
  }

  /** A read is done, or not wanted any more. */
  drop(one: AbortController): void {
    this.#wanted.delete(one);
    if (this.#wanted.size === 0) abort(this.#stop);
  }
}

/** Stops work, unless it is another request's on a worker: that one runs to its end. */
function abort(stop: AbortController | undefined, reason?: Error): void {
  try {
    stop?.abort(reason);
  } catch {
    // The host forbids it.
  }
}

const timedOut = () => new DOMException('nothing came for too long', 'TimeoutError');

function sleep(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, millis);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}

/** Redirects would carry the key elsewhere. */
function post(url: string, headers: [string, string][], body: string, signal: AbortSignal): Promise<Response> {
  return fetch(url, { method: 'POST', headers: [['content-type', 'application/json'], ...headers], body, redirect: 'manual', signal });
}

/** A pause that may be given as a date, as seconds. */
function seconds(after: string | undefined): string | undefined {
  const date = after === undefined || after.trim() === '' || !Number.isNaN(Number(after)) ? NaN : Date.parse(after);
  return Number.isNaN(date) ? after : String(Math.max(0, (date - Date.now()) / 1000));
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
