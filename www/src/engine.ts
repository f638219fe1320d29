/**
 * The WebAssembly face as the rest of the package sees it, and an `Index` on top of it in the same
 * thread.
 */
import { CoracleIndex, type Task } from '../pkg/coracle.js';
import { codeOf, CoracleError, toError } from './error.js';
import type { From, Hit, Index, IndexInfo, OpenOptions, SearchOptions, SearchResult, Source } from './index.js';
import { keep } from './keep.js';
import { toReads, type Reads } from './source.js';
import { Tasks, type Course } from './task.js';

/** A hit before it can read its own text. */
export type PlainHit = Omit<Hit, 'text' | 'sections'> & { sections?: PlainHit[] };
/** A result as plain data, fit for `postMessage`. */
export type PlainResult = Omit<SearchResult, 'hits'> & { hits: PlainHit[] };
/** Search options as plain data. */
export type PlainOptions = Omit<SearchOptions, 'signal' | 'preview'>;

/** Takes an answer by words, with the whole one still to come. */
export type Preview = (result: PlainResult) => void;

/** Search over plain data: what the module offers, and what can be had over a message port. */
export interface Engine {
  readonly info: IndexInfo;
  search(query: string, options: PlainOptions, signal?: AbortSignal, preview?: Preview): Promise<PlainResult>;
  text(chunk: number): Promise<string>;
  close(): void;
}

/** Options of opening as plain data. */
export interface PlainOpenOptions extends Pick<OpenOptions, 'timeout' | 'keep' | 'publicKey'> {
  /** Address of the scripts: a thread may have been started from a copy at another one. */
  base?: string | undefined;
  /** Address of the module's third part. */
  rest?: string | undefined;
  /** Bytes that were read ahead as the root file; if they are no root, it is read again. */
  root?: Uint8Array | undefined;
}

/** How an index is opened in this thread. */
export interface EngineOptions extends PlainOpenOptions {
  signal?: AbortSignal | undefined;
  /** Loads what checks signatures; nobody without a key does. */
  loadVerify?: () => Promise<typeof import('./verify.js')>;
  /** Goes with every request for a range. */
  request?: RequestInit;
  /** Is fulfilled once the module's second part is there, if that comes later. */
  next?: Promise<void>;
}

/** Opens an index in this thread. The module must have been initialised. */
export async function openEngine(from: string | Source | Uint8Array, options: EngineOptions = {}): Promise<Engine> {
  const { signal, timeout, root, keep: keeps, publicKey, loadVerify, next } = options;
  signal?.throwIfAborted();
  let source = toReads(from, options.request);
  let checked = (reads: Reads) => reads;
  const tasks = new Tasks();
  const index = await within(timeout, signal, async (stop) => {
    // Without a key, nothing of what checks signatures is loaded.
    if (publicKey != null) checked = await (await loadVerify!()).checker(publicKey, from instanceof Uint8Array);
    // Opening reads the root and nothing else.
    const open = (reads: Reads) => tasks.run<CoracleIndex>(CoracleIndex.open(), checked(reads), stop);
    const ahead = root && open({ read: async () => root }).catch(() => undefined);
    return (await ahead) ?? open(source);
  });
  tasks.onstuck = () => index.release();
  const info = index.info() as IndexInfo;
  if (keeps && typeof from === 'string') source = await keep(source, from, info.buildId);
  // Above what was kept: that may stem from a visit without a key.
  source = checked(source);
  // A search's first step always ends in reads: until one has gone on, the index's layout is missing.
  if (next) source = behind(next, source);
  let isClosed = false;
  // One controller for each search under way, not one for all: on workers a signal belongs to the
  // request that made it.
  const running = new Set<AbortController>();
  async function work<T>(task: () => Task, timeout?: number, signal?: AbortSignal, course?: Course): Promise<T> {
    if (isClosed) throw closed();
    const own = new AbortController();
    running.add(own);
    try {
      return await within(timeout, signal ? AbortSignal.any([signal, own.signal]) : own.signal, async (stop) => {
        try {
          return await tasks.run<T>(task(), source, stop, course);
        } catch (thrown) {
          // Bytes that went wrong on their way, today or when they were kept, come right the second time.
          if (codeOf(thrown) !== 'damaged' || isClosed) throw thrown;
          await source.forget?.();
          return tasks.run<T>(task(), source, stop, course);
        }
      });
    } catch (thrown) {
      throw isClosed ? closed() : thrown;
    } finally {
      running.delete(own);
    }
  }
  const search: Engine['search'] = async (query, { timeout, ...options }, signal, preview) => {
    const ask = (options: PlainOptions, signal?: AbortSignal, course?: Course) =>
      work<PlainResult>(() => index.search(query, options), timeout, signal, course);
    const { mode = 'hybrid', offset = 0 } = options;
    if (!preview || mode !== 'hybrid' || offset > 0 || !info.embedder) return ask(options, signal);
    const ended = new AbortController();
    const beside = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]);
    // It is an extra: what the whole search meets is what counts.
    const askWords = () => ask({ ...options, mode: 'keyword' }, beside).then(preview, () => undefined);
    let words: Promise<void> | undefined;
    try {
      return await ask(options, signal, {
        // Once the whole search has asked for what it waits for.
        waits: () => (words ??= Promise.resolve().then(askWords)),
        ended: () => ended.abort(),
      });
    } catch (thrown) {
      await words;
      throw thrown;
    }
  };
  return {
    info,
    search,
    text: async (chunk) => (await work<{ text: string }>(() => index.passage(chunk))).text,
    close() {
      if (isClosed) return;
      isClosed = true;
      for (const stop of running) end(stop);
      // Tasks under way share the index: its memory is freed with the last of them.
      index.free();
    },
  };
}

/** Reads that end when something else is there too. */
function behind(next: Promise<void>, source: Reads): Reads {
  const read: Reads['read'] = async (...range) => (await Promise.all([source.read(...range), next]))[0];
  return { ...source, read };
}

/** Does work that is to end in time. */
async function within<T>(
  timeout = 30_000,
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const clock = AbortSignal.timeout(timeout);
  try {
    return await work(signal ? AbortSignal.any([signal, clock]) : clock);
  } catch (thrown) {
    signal?.throwIfAborted();
    if (clock.aborted) throw new CoracleError('timeout', `the index was not read within ${timeout} ms; try again`, { cause: thrown });
    throw toError(thrown);
  }
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
      const { signal, vector, preview, ...plain } = options;
      signal?.throwIfAborted();
      const sent: PlainOptions = vector ? { ...plain, vector: Float32Array.from(vector) } : plain;
      const able = ({ sections, ...hit }: PlainHit): Hit => ({
        ...hit,
        ...(sections && { sections: sections.map(able) }),
        text: () => engine.text(hit.chunk),
      });
      const readable = (result: PlainResult): SearchResult => ({ ...result, hits: result.hits.map(able) });
      try {
        return readable(await engine.search(query, sent, signal, preview && ((words) => preview(readable(words)))));
      } catch (thrown) {
        signal?.throwIfAborted();
        throw thrown;
      }
    },
    close: () => engine.close(),
  };
}

export function closed(): CoracleError {
  return new CoracleError('closed', 'the index was closed; open it again');
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
