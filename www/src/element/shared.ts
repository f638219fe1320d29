/** Elements with the same `src` share one index and one worker thread. */
import { isLost } from '../error.js';
import { open, type Index } from '../index.js';

const opened = new Map<string, Promise<Index>>();

function shared(src: string): Promise<Index> {
  let index = opened.get(src);
  if (!index) {
    index = open(src);
    index.catch(() => opened.delete(src));
    opened.set(src, index);
  }
  return index;
}

/**
 * Opens the index at `src`, unless it is open, and puts it to use.
 *
 * A page may stay open for days while its index is replaced, which takes away the files that the open
 * index would read next. So an index that cannot be read any more is opened anew, once.
 */
export async function withShared<T>(src: string, use: (index: Index) => Promise<T>): Promise<T> {
  const index = shared(src);
  try {
    return await use(await index);
  } catch (thrown) {
    // An index that could not even be opened is not in the map any more.
    if (!isLost(thrown) || !(await index.catch(() => undefined))) throw thrown;
    if (opened.get(src) === index) {
      opened.delete(src);
      (await index).close();
    }
    return use(await shared(src));
  }
}

/** Begins to open the index at `src`. A failure shows when it is put to use. */
export function warm(src: string): void {
  shared(src).catch(() => undefined);
}
