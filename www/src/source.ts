/** Where an index's bytes come from: an address, a bundle in memory, or the caller's own code. */
import { CoracleError } from './error.js';
import type { Source } from './index.js';

/** A source whose reads end early when nobody waits for them any more. */
export interface Reads {
  read(file: string, start: number | undefined, end: number | undefined, stop: AbortSignal): Promise<Uint8Array>;
  /** Bytes that were kept turned out to be of no use. */
  forget?(): Promise<void>;
}

/** `fetch`, or what counts and bounds its uses. */
export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** The one file that changes: a cached root may name files that are gone. */
export const ROOT = 'root.cora';

/** A file that a host sends whole although a range was asked for is taken up to this size. */
const MAX_WHOLE_BYTES = 8 << 20;

/** A file that is read whole, a root or a part of a split index, is not larger than this. */
const MAX_FILE_BYTES = 16 << 20;

/** Waits before the second and the third try of a read that may just have had bad luck. */
const RETRY_MS = [100, 400];

/**
 * @param init goes with every request for a range
 * @param send sends requests
 */
export function toReads(from: string | Source | Uint8Array, init?: RequestInit, send: Send = fetch): Reads {
  if (typeof from === 'string') return folder(from, init, send);
  return from instanceof Uint8Array ? bundle(from) : from;
}

/** Files under an address, which ends in a slash. */
function folder(base: string, init: RequestInit | undefined, send: Send): Reads {
  /** Files of hosts that ignore ranges: fetched once, cut here. */
  const whole = new Map<string, Uint8Array>();

  async function once(file: string, start: number | undefined, end: number | undefined, signal: AbortSignal) {
    const kept = whole.get(file);
    if (kept) return kept.subarray(start, end);
    const ranged = start !== undefined && end !== undefined;
    const response = await send(base + file, {
      signal,
      ...(file === ROOT && { cache: 'no-cache' }),
      ...(ranged && { ...init, headers: { range: `bytes=${start}-${end - 1}` } }),
    });
    const { status } = response;
    const announced = response.headers.get('content-length');
    const length = announced === null ? undefined : Number(announced);
    // Without an announced length the body may be of any size.
    const fits = ranged ? status === 206 || length! <= MAX_WHOLE_BYTES : !(length! > MAX_FILE_BYTES);
    if ((status !== 200 && !(ranged && status === 206)) || !fits) {
      throw Object.assign(new Error(`status ${status}`), { status, length });
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (!ranged) return bytes;
    if (status === 206 && bytes.length === end - start) return bytes;
    // A whole file holds the range; a page that says sorry with status 200 seldom does.
    if (status === 206 || bytes.length < end) throw new Error(`${bytes.length} bytes came for the bytes ${start} to ${end}`);
    // Reads of one wave run side by side: another may have kept it meanwhile.
    if (!whole.has(file)) whole.set(file, bytes);
    return bytes.subarray(start, end);
  }

  return {
    async read(file, start, end, signal) {
      for (let tries = 0; ; tries++) {
        try {
          return await once(file, start, end, signal);
        } catch (thrown) {
          if (signal.aborted || tries === RETRY_MS.length || !isPassing(thrown)) throw thrown;
        }
        await new Promise((done) => setTimeout(done, RETRY_MS[tries]));
        signal.throwIfAborted();
      }
    },
    forget: async () => whole.clear(),
  };
}

/** Whether a failed read may succeed when it is tried again: an overloaded host, a lost connection. */
function isPassing(thrown: unknown): boolean {
  const { status } = Object(thrown) as { status?: number };
  return status === undefined || status === 429 || status >= 500;
}

/** `CORABNDL ‖ root length (u64) ‖ root ‖ body` */
function bundle(bytes: Uint8Array): Reads {
  const isBundle = bytes.length >= 16 && String.fromCharCode(...bytes.subarray(0, 8)) === 'CORABNDL';
  if (!isBundle) throw new CoracleError('root', 'the bytes are not a Coracle bundle');
  const body = 16 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8, true));
  if (body > bytes.length) throw new CoracleError('root', 'the bundle ends before its body; it is cut short');
  return {
    read: async (file, start, end) => (file === ROOT ? bytes.subarray(16, body) : bytes.subarray(body)).subarray(start, end),
  };
}
