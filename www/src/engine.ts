/**
 * The WebAssembly face as the rest of the package sees it, and an `Index` on top of it in the same
 * thread.
 */
import { CoracleIndex } from '../pkg/coracle.js';
import { CoracleError, toError } from './error.js';
import type { From, Hit, Index, IndexInfo, OpenOptions, SearchOptions, SearchResult, Source } from './index.js';

/** A hit before it can read its own text. */
export type PlainHit = Omit<Hit, 'text'>;
/** A result as plain data, fit for `postMessage`. */
export type PlainResult = Omit<SearchResult, 'hits'> & { hits: PlainHit[] };
/** Search options as plain data. */
export type PlainOptions = Omit<SearchOptions, 'signal'>;

/** Search over plain data: what the module offers, and what can be had over a message port. */
export interface Engine {
  readonly info: IndexInfo;
  search(query: string, options: PlainOptions, signal?: AbortSignal): Promise<PlainResult>;
  text(chunk: number): Promise<string>;
  close(): void;
}

/** Opens an index in this thread. The module must have been initialised. */
export async function openEngine(from: string | Source | Uint8Array, signal?: AbortSignal): Promise<Engine> {
  signal?.throwIfAborted();
  let handle: CoracleIndex;
  try {
    handle = await CoracleIndex.open(from);
  } catch (thrown) {
    throw toError(thrown);
  }
  if (signal?.aborted) {
    handle.free();
    throw signal.reason;
  }
  let isClosed = false;
  // One controller for each search under way, not one for all: on workers a signal belongs to the
  // request that made it.
  const running = new Set<AbortController>();
  // Rust lends the handle to every search under way; it may be freed only when all have returned.
  async function lent<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    if (isClosed) throw closed();
    const stop = new AbortController();
    running.add(stop);
    try {
      return await work(stop.signal);
    } catch (thrown) {
      throw isClosed ? closed() : toError(thrown);
    } finally {
      running.delete(stop);
      if (running.size === 0 && isClosed) handle.free();
    }
  }
  return {
    info: handle.info() as IndexInfo,
    search: (query, options, signal) =>
      lent(async (stop) => {
        const either = signal ? AbortSignal.any([signal, stop]) : stop;
        return (await handle.search(query, options, either)) as PlainResult;
      }),
    text: (chunk) => lent(async () => ((await handle.passage(chunk)) as { text: string }).text),
    close() {
      if (isClosed) return;
      isClosed = true;
      for (const stop of running) end(stop);
      if (running.size === 0) handle.free();
    },
  };
}

/** Stops a search, unless it is another request's on a worker: that one runs to its end. */
function end(stop: AbortController): void {
  try {
    stop.abort(closed());
  } catch {
    // The host forbids it.
  }
}

/** The public interface on top of an engine: options are taken apart, hits learn to read their text. */
export function toIndex(engine: Engine): Index {
  return {
    info: engine.info,
    async search(query, options = {}) {
      const { signal, vector, ...plain } = options;
      signal?.throwIfAborted();
      const sent: PlainOptions = vector ? { ...plain, vector: Float32Array.from(vector) } : plain;
      let result: PlainResult;
      try {
        result = await engine.search(query, sent, signal);
      } catch (thrown) {
        signal?.throwIfAborted();
        throw thrown;
      }
      const hits = result.hits.map((hit): Hit => ({ ...hit, text: () => engine.text(hit.chunk) }));
      return { ...result, hits };
    },
    close: () => engine.close(),
  };
}

export function closed(): CoracleError {
  return new CoracleError('closed', 'the index was closed; open it again to search');
}

/** What a host's `openOn` looks like. */
export type OpenOn = (from: From, options: OpenOptions) => Promise<Index>;

/** Whether an index is read by the caller's code or lies in memory, rather than at an address. */
export function isData(from: From): from is Source | Uint8Array {
  return from instanceof Uint8Array || typeof (from as Source).read === 'function';
}

/** A folder's URL, absolute and ending in a slash, so that file names can be appended. */
export function folderUrl(from: string | URL, base?: string): string {
  let url: URL;
  try {
    url = new URL(from, base);
  } catch (cause) {
    throw new CoracleError('bad-url', `not a URL: ${from}`, { cause });
  }
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}
