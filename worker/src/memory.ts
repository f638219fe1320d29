/** What is worth keeping from request to request: answers and embeddings that were paid for. */
import type { Budget } from './limits.js';

/** Bytes kept in memory, beside the module's own. */
const MOST_BYTES = 4 << 20;

interface Kept {
  value: Uint8Array;
  /** When it is too old, in milliseconds since 1970. */
  until: number;
}

/** Values by key, in memory, with those used longest ago forgotten first; behind it Cloudflare's cache. */
export class Memory {
  #kept = new Map<string, Kept>();
  #bytes = 0;

  async recall(key: string, budget: Budget, stop: AbortSignal): Promise<Uint8Array | null> {
    const kept = this.#kept.get(key);
    if (kept && kept.until > Date.now()) {
      this.#put(key, kept);
      return kept.value;
    }
    const cache = shared();
    if (!cache || !budget.allows('cache')) return null;
    const response = await budget.spend('cache', stop, () => cache.match(address(key)));
    const until = Number(response?.headers.get(UNTIL) ?? 0);
    if (!response || until <= Date.now()) return null;
    const value = new Uint8Array(await response.arrayBuffer());
    this.#put(key, { value, until });
    return value;
  }

  async keep(key: string, value: Uint8Array, seconds: number, budget: Budget, stop: AbortSignal): Promise<void> {
    const until = Date.now() + seconds * 1000;
    this.#put(key, { value, until });
    const cache = shared();
    if (!cache || !budget.allows('cache')) return;
    const headers = { 'cache-control': `max-age=${seconds}`, [UNTIL]: String(until) };
    await budget.spend('cache', stop, () => cache.put(address(key), new Response(value as Uint8Array<ArrayBuffer>, { headers })));
  }

  #put(key: string, kept: Kept): void {
    this.#bytes += kept.value.length - (this.#kept.get(key)?.value.length ?? 0);
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const [oldest, { value }] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) return;
      this.#kept.delete(oldest);
      this.#bytes -= value.length;
    }
  }
}

const UNTIL = 'coracle-until';

/** Cloudflare's cache of the place. Elsewhere a process lives on, and memory is enough. */
function shared(): Cache | undefined {
  return (globalThis as { caches?: { default?: Cache } }).caches?.default;
}

/** Caches know addresses only; nobody is asked at this one. */
const address = (key: string) => `https://kept.coracle.invalid/${encodeURIComponent(key)}`;
