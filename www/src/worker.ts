/**
 * The searching thread: answers the messages of `protocol.ts` from one index.
 *
 * Runs as a module worker. A page that may not start workers imports it instead and calls `serve`
 * with one end of a message channel.
 */
import init, { onNext, onRest } from '../pkg/coracle.js';
import { closed, openEngine, type Engine } from './engine.js';
import { packError, unpackError } from './error.js';
import type { Source } from './index.js';
import type { Port, Request, Response } from './protocol.js';
import { readRest } from './rest.js';

export function serve(port: Port): void {
  const send = (message: Response) => port.postMessage(message);
  const running = new Map<number, AbortController>();
  const reads = new Map<number, PromiseWithResolvers<Uint8Array>>();
  const next = withResolvers<WebAssembly.Module>();
  let lastRead = 0;
  let engine: Engine | undefined;
  /** Why the module could not go on: it was left in the middle of something. */
  let failed: unknown;

  const remote: Source = {
    read(file, start, end) {
      const id = ++lastRead;
      const settle = withResolvers<Uint8Array>();
      reads.set(id, settle);
      send({ type: 'read', id, file, start, end });
      return settle.promise.finally(() => reads.delete(id));
    },
  };

  async function work(request: Request & { type: 'open' | 'search' | 'text' }, signal: AbortSignal) {
    if (request.type === 'open') {
      onRest(() => {
        try {
          return readRest(request.options.rest!);
        } catch (thrown) {
          throw (failed = thrown);
        }
      });
      await init({ module_or_path: request.module });
      // Past the browser's cache: it would let only one read of a file run at a time.
      const ranges: RequestInit = { cache: 'no-store' };
      const loadVerify = () => import(/* @vite-ignore */ new URL('./coracle-verify.js', request.options.base).href);
      engine = await openEngine(request.from ?? remote, { ...request.options, signal, loadVerify, request: ranges, next: next.promise.then(onNext) });
      return engine.info;
    }
    if (failed) throw failed;
    if (!engine) throw closed();
    if (request.type === 'text') return engine.text(request.chunk);
    const { id, query, options, previews } = request;
    return engine.search(query, options, signal, previews ? (value) => send({ type: 'preview', id, value }) : undefined);
  }

  port.onmessage = async ({ data }: MessageEvent<Request>) => {
    switch (data.type) {
      case 'next':
        next.resolve(data.module);
        return;
      case 'cancel':
        running.get(data.id)?.abort();
        return;
      case 'close':
        engine?.close();
        return;
      case 'bytes':
        reads.get(data.id)?.resolve(data.bytes);
        return;
      case 'no-bytes':
        reads.get(data.id)?.reject(unpackError(data.error));
        return;
    }
    const { id } = data;
    const stop = new AbortController();
    running.set(id, stop);
    try {
      send({ type: 'answer', id, value: await work(data, stop.signal) });
    } catch (thrown) {
      send({ type: 'failure', id, error: packError(failed ?? thrown) });
    } finally {
      running.delete(id);
    }
  };
  send({ type: 'ready' });
}

// `Promise.withResolvers` is younger than the browsers that are supported.
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: PromiseWithResolvers<T>['resolve'];
  let reject!: PromiseWithResolvers<T>['reject'];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

if (typeof window === 'undefined') serve(globalThis as unknown as Port);
