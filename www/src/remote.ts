/** An engine in another thread, reached over a message port. */
import { closed, type Engine, type PlainOpenOptions, type PlainResult, type Preview } from './engine.js';
import { packError, unpackError } from './error.js';
import type { IndexInfo, Source } from './index.js';
import type { Port, Request, Response } from './protocol.js';

type Ask = Request extends infer R ? (R extends { type: 'open' | 'search' | 'text' } ? Omit<R, 'id'> : never) : never;

interface Waiting {
  resolve(value: never): void;
  reject(reason: unknown): void;
  preview: Preview | undefined;
}

/** Asks the thread behind a port. `fail` ends everything that waits, for a thread that has died. */
export class Remote {
  readonly #port: Port;
  readonly #source: Source | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #dead: unknown;

  /** @param source answers the thread's reads, where it was not given a URL */
  constructor(port: Port, source?: Source) {
    this.#port = port;
    this.#source = source;
    port.onmessage = ({ data }: MessageEvent<Response>) => this.#receive(data);
  }

  fail(reason: unknown): void {
    this.#dead = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async ask<T>(question: Ask, signal?: AbortSignal, preview?: Preview): Promise<T> {
    if (this.#dead) throw this.#dead;
    signal?.throwIfAborted();
    const id = ++this.#last;
    const cancel = () => {
      this.#send({ type: 'cancel', id });
      this.#waiting.get(id)?.reject(signal?.reason);
    };
    signal?.addEventListener('abort', cancel);
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject, preview });
        this.#send({ ...question, id });
      });
    } finally {
      this.#waiting.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Hands over the module's second part. */
  give(module: WebAssembly.Module): void {
    this.#send({ type: 'next', module });
  }

  close(): void {
    this.#send({ type: 'close' });
    this.fail(closed());
  }

  #send(message: Request): void {
    this.#port.postMessage(message);
  }

  async #receive(message: Response): Promise<void> {
    switch (message.type) {
      case 'answer':
        this.#waiting.get(message.id)?.resolve(message.value as never);
        return;
      case 'preview':
        this.#waiting.get(message.id)?.preview?.(message.value);
        return;
      case 'failure':
        this.#waiting.get(message.id)?.reject(unpackError(message.error));
        return;
      case 'read': {
        const { id, file, start, end } = message;
        try {
          const bytes = await this.#source!.read(file, start, end);
          this.#send({ type: 'bytes', id, bytes });
        } catch (thrown) {
          this.#send({ type: 'no-bytes', id, error: packError(thrown) });
        }
      }
    }
  }
}

/** Opens an index in the thread behind `remote`; `end` is called when it is closed. */
export async function openRemote(
  remote: Remote,
  module: WebAssembly.Module,
  from: string | Uint8Array | undefined,
  options: PlainOpenOptions,
  signal: AbortSignal | undefined,
  end: () => void,
): Promise<Engine> {
  const info = await remote.ask<IndexInfo>({ type: 'open', module, from, options }, signal);
  return {
    info,
    search: (query, options, signal, preview) =>
      remote.ask<PlainResult>({ type: 'search', query, options, previews: preview !== undefined }, signal, preview),
    text: (chunk) => remote.ask<string>({ type: 'text', chunk }),
    close() {
      remote.close();
      end();
    },
  };
}
