/** Where a worker reads an index from: any address, an R2 bucket, or the files deployed with it. */
import { ROOT, toReads, type Reads } from '../../www/src/source.js';
import { charged } from './limits.js';

/** An error whose status tells the engine what kind it is. */
function failure(status: number, message: string): Error {
  return Object.assign(new Error(message), { status });
}

/** Reads files under an address, or out of a bundle; what is the caller's own is read as it is. */
export function source(from: string | Uint8Array | Reads): Reads {
  if (typeof from !== 'string') return toReads(from as Uint8Array);
  const url = new URL(from);
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return toReads(url.href, undefined, (url, init) => charged(init.signal!, () => fetch(url, init)));
}

/** Reads ranges of the objects under `prefix` in a bucket. */
export function bucketSource(bucket: R2Bucket, prefix: string): Reads {
  return {
    read: (file, start, end, stop) =>
      charged(stop, async () => {
        const range = start === undefined || end === undefined ? undefined : { offset: start, length: end - start };
        const object = await bucket.get(prefix + file, range && { range });
        if (!object) throw failure(404, `the bucket has no object ${prefix}${file}`);
        return new Uint8Array(await object.arrayBuffer());
      }),
  };
}

/** Bytes of whole files that an isolate keeps; it has 128 MB for everything. */
const KEPT_BYTES = 16 * 1024 * 1024;

/**
 * Reads static files, as deployed with the worker. Such hosts answer a range with the whole file, so
 * files are kept, the most recently used ones up to a limit. Best with the split layout.
 */
export function assetsSource(assets: Fetcher, prefix: string): Reads {
  // Bytes, not promises of them: a promise dies with the request that made it.
  const kept = new Map<string, Uint8Array>();
  let bytes = 0;

  const fetched = (file: string, stop: AbortSignal): Promise<Uint8Array> =>
    charged(stop, async () => {
      const response = await assets.fetch(new URL(prefix + file, 'https://assets.local/'), { signal: stop });
      if (!response.ok) throw failure(response.status, `the asset ${prefix}${file} answers ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    });

  /** Puts a file last in the row and forgets those used longest ago. */
  function keep(file: string, whole: Uint8Array): void {
    bytes += whole.length - (kept.get(file)?.length ?? 0);
    kept.delete(file);
    kept.set(file, whole);
    for (const [oldest, { length }] of kept) {
      if (bytes <= KEPT_BYTES) return;
      kept.delete(oldest);
      bytes -= length;
    }
  }

  return {
    async read(file, start, end, stop) {
      const whole = (file === ROOT ? undefined : kept.get(file)) ?? (await fetched(file, stop));
      keep(file, whole);
      return start === undefined || end === undefined ? whole : whole.slice(start, end);
    },
  };
}
