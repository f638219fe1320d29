/** An index that stays open from request to request, and follows its files when they are replaced. */
import type { Index } from '@coracle-search/coracle';

/**
 * Errors after which opening the index again may help: a newer build took the place of the files that
 * the open index would read next. `closed` comes to searches that were under way when that was noticed.
 */
const lost = new Set(['source', 'root', 'damaged', 'signature', 'closed']);

export interface KeptIndex {
  /** Puts the index to use, opening it first if need be. */
  use<T>(work: (index: Index) => Promise<T>): Promise<T>;
}

/**
 * Keeps an index open.
 *
 * @param open opens it; called until it succeeds, and again after `refreshMs` or a lost index
 * @param refreshMs after so long the root is read again: the next request finds a newer build, if any
 * @param report is told when that fails; the index at hand serves on
 */
export function keep(open: () => Promise<Index>, refreshMs: number, report: (thrown: unknown) => void): KeptIndex {
  // The index, not a promise of it: on workers a promise dies with the request that made it, and would
  // take all later requests along.
  let index: Index | undefined;
  let checkedAt = 0;

  /** Puts a freshly opened index in the place of `old`, unless another request was quicker. */
  function replace(old: Index | undefined, fresh: Index): Index {
    if (index !== old && index) {
      fresh.close();
      return index;
    }
    old?.close();
    checkedAt = Date.now();
    return (index = fresh);
  }

  async function current(): Promise<Index> {
    const kept = index;
    if (!kept) return replace(undefined, await open());
    if (Date.now() - checkedAt < refreshMs) return kept;
    checkedAt = Date.now();
    try {
      const fresh = await open();
      if (fresh.info.buildId !== kept.info.buildId) return replace(kept, fresh);
      fresh.close();
    } catch (thrown) {
      report(thrown);
    }
    return index ?? kept;
  }

  return {
    async use(work) {
      const first = await current();
      try {
        return await work(first);
      } catch (thrown) {
        const { code } = Object(thrown) as { code?: string };
        if (!lost.has(code ?? '')) throw thrown;
        return work(index && index !== first ? index : replace(first, await open()));
      }
    },
  };
}
