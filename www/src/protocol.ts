/**
 * Messages between an `Index` and the thread that searches for it.
 *
 * Every question carries a number that its answer repeats. The searching thread asks too: `read`
 * where the index was opened on a `Source`, which is a function and cannot cross over.
 */
import type { PlainOpenOptions, PlainOptions, PlainResult } from './engine.js';
import type { ErrorMessage } from './error.js';
import type { IndexInfo } from './index.js';

/** To the searching thread. */
export type Request =
  | { type: 'open'; id: number; module: WebAssembly.Module; from: string | Uint8Array | undefined; options: PlainOpenOptions }
  /** The module's second part. */
  | { type: 'next'; module: WebAssembly.Module }
  | { type: 'search'; id: number; query: string; options: PlainOptions; previews: boolean }
  | { type: 'text'; id: number; chunk: number }
  | { type: 'cancel'; id: number }
  | { type: 'bytes'; id: number; bytes: Uint8Array }
  | { type: 'no-bytes'; id: number; error: ErrorMessage }
  | { type: 'close' };

/** From the searching thread. `ready` comes first, once its script runs. */
export type Response =
  | { type: 'ready' }
  | { type: 'answer'; id: number; value: IndexInfo | PlainResult | string }
  | { type: 'preview'; id: number; value: PlainResult }
  | { type: 'failure'; id: number; error: ErrorMessage }
  | { type: 'read'; id: number; file: string; start: number | undefined; end: number | undefined };

/** What a `Worker`, a `MessagePort` and a worker's global scope have in common. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => unknown) | null;
}
