/**
 * The service as one function from request to response. It knows no host: what differs from host to
 * host comes in by its options, so it runs wherever there is `fetch`.
 *
 * What is asked and answered is the service's own matter, in Rust: src/service.
 */
import type { CoracleService } from '../pkg/coracle_service.js';
import type { Reads } from '../../www/src/source.js';
import { checker } from '../../www/src/verify.js';
import { Memory } from './memory.js';
import { instance, isTrap, makeService, replace } from './module.js';
import { Broken, Run, type Shared } from './request.js';
import { source } from './sources.js';

export interface HandlerOptions {
  /** The compiled module, `coracle_service_bg.wasm`. */
  module: WebAssembly.Module;
  /** Where the index is: an address, the bytes of a bundle, or the caller's own code. */
  index: string | Uint8Array | Reads;
  /** Refuses everything that the owner of this key did not sign. */
  publicKey?: string | undefined;
  /** Settings by name, as the guide lists them; others are no harm. */
  variables?: Record<string, unknown>;
  /** What `binding:NAME/…` addresses of models name: objects with `run(model, input, options)`. */
  bindings?: Record<string, unknown>;
  /** A limiter of the host's own, which counts requests of a client; without it the service counts. */
  limiter?: RateLimit | undefined;
  /** Subrequests that one request may send, where the host counts them; default: any number. */
  subrequests?: number;
  /** Takes the lines of the log; default: `console.log`. */
  log?(line: string): void;
  /** Is told what clients are not: why a request was not answered. */
  report?(thrown: unknown): void;
}

/** What a host knows of a request beside the request. */
export interface Context {
  /** What clients are told apart by: an address. */
  client?: string | undefined;
  /** Work that may go on after the response. */
  waitUntil?(work: Promise<unknown>): void;
}

export type Handler = (request: Request, context?: Context) => Promise<Response>;

/**
 * Makes the handler.
 *
 * @throws where a setting is of no use
 */
export function createHandler(options: HandlerOptions): Handler {
  const { module, index, publicKey, bindings = {}, limiter, subrequests = Infinity } = options;
  const { log = (line: string) => console.log(line), report = (thrown: unknown) => console.error(thrown) } = options;
  const variables = texts(options.variables ?? {});
  // What was read of assets and buckets is kept from opening to opening: files do not change.
  const kept = typeof index === 'string' ? undefined : source(index);
  const make = () => makeService(module, variables);
  let service = make();
  let made = instance();

  const shared: Shared = {
    source: () => signed(kept ?? source(index), publicKey, index instanceof Uint8Array),
    sources: new Map(),
    running: new Set(),
    release: () => service.release(),
    bindings,
    limiter,
    memory: new Memory(),
    subrequests,
    log,
    report,
  };

  /** The service, in the instance that runs. */
  function current(): CoracleService {
    if (made !== instance()) {
      service = make();
      made = instance();
      shared.sources.clear();
    }
    return service;
  }

  async function answer(request: Request, { client = '', waitUntil }: Context): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const body = await capped(request, current().maxBody);
    for (let isAgain = false; ; isAgain = true) {
      const running = instance();
      try {
        const task = current().handle(request.method, pathname, search.slice(1), [...request.headers], body, client);
        return await new Run(task, shared, request.method, waitUntil).respond(request.signal);
      } catch (thrown) {
        if (isTrap(thrown)) replace(running);
        // Another request took the service down: this one may fare better in the next.
        if (isAgain || !(thrown instanceof Broken) || thrown.isOwn) throw thrown;
      }
    }
  }

  return async (request, context = {}) => {
    try {
      return await answer(request, context);
    } catch (thrown) {
      // Nobody reads what a client gets that is gone.
      if (!request.signal.aborted) report(thrown);
      return failed();
    }
  };
}

/** What a client is told of anything that should not happen. */
export function failed(): Response {
  const error = { code: 'internal', message: 'the service failed; try again' };
  const headers = { 'cache-control': 'no-store', 'retry-after': '1', 'x-content-type-options': 'nosniff' };
  return Response.json({ error }, { status: 500, headers });
}

/** Lets through what is signed; an empty key nothing. The check is made ready at the first read. */
function signed(reads: Reads, publicKey: string | undefined, isBundle: boolean): Reads {
  if (publicKey === undefined) return reads;
  let checked: Reads | undefined;
  return {
    async read(file, start, end, stop) {
      checked ??= (await checker(publicKey, isBundle))(reads);
      return checked.read(file, start, end, stop);
    },
  };
}

/** Settings as the texts that they are in an environment. */
function texts(variables: Record<string, unknown>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) {
    if (typeof value === 'string') out[name] = value;
    else if (typeof value === 'number' || typeof value === 'boolean') out[name] = String(value);
  }
  return out;
}

/** Reads a body, but not much more than `most` bytes, whatever its headers claim. */
async function capped(request: Request, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = (request.body as ReadableStream<Uint8Array> | null)?.getReader();
  for (let step = await reader?.read(); step && !step.done; step = await reader!.read()) {
    parts.push(step.value);
    length += step.value.length;
    if (length <= most) continue;
    await reader!.cancel();
    break;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.subarray(0, most + 1);
}
