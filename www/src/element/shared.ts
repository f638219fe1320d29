/** Elements with the same `src` and `public-key` share one index and one worker thread. */
import { isLost } from '../error.js';
import { open, type Index } from '../index.js';

const opened = new Map<string, Promise<Index>>();

/** Where an index is, and who must have signed it. */
export type Place = [src: string, publicKey: string | null];

/** The open index at a place; another one than `lost`, which is closed. */
function shared(place: Place, lost?: Promise<Index>): Promise<Index> {
  const [src, publicKey] = place;
  const name = `${place}`;
  let index = opened.get(name);
  if (!index || index === lost) {
    lost?.then((index) => index.close());
    index = open(src, { publicKey });
    index.catch(() => opened.delete(name));
    opened.set(name, index);
  }
  return index;
}

/**
 * Opens the index at a place, unless it is open, and puts it to use.
 *
 * A page may stay open for days while its index is replaced, which takes away the files that the open
 * index would read next. So an index that cannot be read any more is opened anew, once.
 */
export async function withShared<T>(place: Place, use: (index: Index) => Promise<T>): Promise<T> {
  const index = shared(place);
  try {
    return await use(await index);
  } catch (thrown) {
    // An index that could not even be opened is not in the map any more.
    if (!isLost(thrown) || !(await index.catch(() => undefined))) throw thrown;
    return use(await shared(place, index));
  }
}

/** Begins to open the index at a place. A failure shows when it is put to use. */
export function warm(place: Place): void {
  shared(place).catch(() => undefined);
}
