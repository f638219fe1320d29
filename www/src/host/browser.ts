/**
 * Browsers: search in a module worker, on the page's own thread where workers are not to be had.
 *
 * The page fetches the module and the index's root while the worker's script is on its way, so that the
 * three cost one round trip together.
 */
import { folderUrl, toIndex, type OpenOn } from '../engine.js';
import { CoracleError } from '../error.js';
import type { Source } from '../index.js';
import { compile, type Parts } from '../parts.js';
import type { Port } from '../protocol.js';
import { ROOT } from '../source.js';
import { openRemote, Remote } from '../remote.js';

const WORKER = new URL('./coracle-worker.js', import.meta.url);
const MODULE = new URL('./coracle_bg.wasm', import.meta.url);
const REST = new URL('./coracle_rest.wasm', import.meta.url);

export const openOn: OpenOn = async (from, { worker = true, signal, ...options }) => {
  signal?.throwIfAborted();
  // A source is a function of this thread: the other one asks for its reads.
  const source = 'read' in Object(from) ? (from as Source) : undefined;
  const sent = source ? undefined : from instanceof Uint8Array ? from : folderUrl(from as string | URL, document.baseURI);
  const [parts, root, thread] = await Promise.all([
    compiled(),
    typeof sent === 'string' ? ahead(sent) : undefined,
    (worker && startWorker()) || startHere(),
  ]);
  const remote = new Remote(thread.port, source);
  thread.onfailure = (reason) => remote.fail(reason);
  parts.next.then((module) => remote.give(module), (reason) => remote.fail(reason));
  try {
    return toIndex(await openRemote(remote, parts.first, sent, { keep: true, ...options, root, base: WORKER.href, rest: REST.href }, signal, () => thread.end()));
  } catch (thrown) {
    thread.end();
    throw thrown;
  }
};

/** The root of the index at `base`, if it is to be had: opening reads it again and says why not. */
async function ahead(base: string): Promise<Uint8Array | undefined> {
  const response = await fetch(base + ROOT, { cache: 'no-cache' }).catch(() => undefined);
  return response?.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
}

interface Thread {
  port: Port;
  onfailure?: (reason: unknown) => void;
  end(): void;
}

let module: Promise<Parts> | undefined;

/** The module, compiled once for all indexes of the page. A failed download is tried again. */
function compiled(): Promise<Parts> {
  const forget = () => void (module = undefined);
  if (!module) {
    module = load();
    module.then(({ next }) => next.catch(forget), forget);
  }
  return module;
}

async function load(): Promise<Parts> {
  const missing = (cause?: unknown) => new CoracleError('module-unavailable', `${MODULE} is missing; copy it there`, { cause });
  const response = await fetch(MODULE).catch(() => undefined);
  if (!response?.ok) throw missing();
  return compile(response.body!, missing);
}

/** Starts a worker; ends in a thread on the page itself if the page's policy forbids it. */
async function startWorker(): Promise<Thread> {
  const ahead = await preloaded();
  return (ahead && (await startFrom(ahead))) || (await startFrom(WORKER.href)) || startHere();
}

/**
 * The worker's script at an address of its own, if the page has preloaded it: a worker would ask for it
 * once more.
 */
let copy: string | undefined;

async function preloaded(): Promise<string | undefined> {
  if (!document.querySelector('link[rel=preload][href$="coracle-worker.js"]')) return undefined;
  const response = await fetch(WORKER).catch(() => undefined);
  return response?.ok ? (copy = URL.createObjectURL(await response.blob())) : undefined;
}

async function startFrom(script: string): Promise<Thread | undefined> {
  let worker: Worker;
  try {
    worker = new Worker(trusted(script) as string, { type: 'module', name: 'coracle' });
  } catch {
    return undefined;
  }
  const started = await new Promise<boolean>((resolve) => {
    worker.onmessage = () => resolve(true);
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(false);
    };
  });
  if (!started) {
    worker.terminate();
    return undefined;
  }
  const thread: Thread = { port: worker, end: () => worker.terminate() };
  worker.onerror = (event) => {
    thread.onfailure?.(new CoracleError('worker-failed', event.message));
  };
  return thread;
}

async function startHere(): Promise<Thread> {
  const { serve } = (await import(/* @vite-ignore */ WORKER.href)) as typeof import('../worker.js');
  const { port1, port2 } = new MessageChannel();
  serve(port2);
  return { port: port1, end: () => port1.close() };
}

let policy: { createScriptURL(url: string): unknown } | undefined;

/** The worker's URL under Trusted Types: the policy `coracle` lets this one script pass. */
function trusted(url: string): unknown {
  const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: object): typeof policy } })
    .trustedTypes;
  if (!factory) return url;
  policy ??= factory.createPolicy('coracle', {
    createScriptURL(asked: string) {
      if (asked !== WORKER.href && asked !== copy) throw new TypeError(asked);
      return asked;
    },
  });
  return policy!.createScriptURL(url);
}
