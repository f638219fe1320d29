/** Ranges that outlive a visit, in the browser's cache storage. */
import type { Reads } from './source.js';

/** Bytes that an index may take up on a visitor's machine. */
const MOST_BYTES = 32 << 20;

/**
 * Keeps every range that is read, and reads from what is kept: who comes back to an unchanged index
 * fetches its root and what is new. Ranges are asked for past the browser's own cache, which would let
 * only one read of a file run at a time.
 *
 * @param base address of the index
 * @param build its build; what was kept of others is deleted
 */
export async function keep(reads: Reads, base: string, build: string): Promise<Reads> {
  const ours = `coracle ${base} `;
  const name = ours + build;
  const kept: { url: string; file: string; start: number; end: number }[] = [];
  let cache: Cache;
  let used = 0;

  function add(url: string): void {
    const [, file, start, end] = /([^/]+)\?(\d+)-(\d+)$/.exec(url)!;
    kept.push({ url, file: file!, start: Number(start), end: Number(end) });
    used += Number(end) - Number(start);
  }

  try {
    for (const other of await caches.keys()) {
      if (other.startsWith(ours) && other !== name) await caches.delete(other);
    }
    cache = await caches.open(name);
    for (const { url } of await cache.keys()) add(url);
  } catch {
    // Not a secure page, or one that may store nothing.
    return reads;
  }

  return {
    async read(file, start, end, stop) {
      if (start === undefined || end === undefined) return reads.read(file, start, end, stop);
      const around = kept.find((range) => range.file === file && range.start <= start && end <= range.end);
      const response = around && (await cache.match(around.url));
      if (response) return new Uint8Array(await response.arrayBuffer()).subarray(start - around.start, end - around.start);
      const bytes = await reads.read(file, start, end, stop);
      const url = `${base}${file}?${start}-${end}`;
      if (used + bytes.length <= MOST_BYTES) {
        cache.put(url, new Response(bytes.slice())).then(
          () => add(url),
          () => undefined,
        );
      }
      return bytes;
    },
    async forget() {
      kept.length = used = 0;
      await reads.forget?.();
      for (const request of await cache.keys()) await cache.delete(request);
    },
  };
}
