/** Which sentence of a passage a cited sentence rests on, as far as words can tell. */

const WORD = /[\p{L}\p{N}_]{3,}/gu;
/** Ends of sentences and of lines: a passage has lists and listings too. */
const END = /(?<=[.!?]["')\]]*)\s+|(?<=[。!?])|\n+/gu;

/**
 * The sentence that has most words of `cited`.
 *
 * @returns its ends in `passage`; nothing where no word is found
 */
export function nearest(passage: string, cited: string): [number, number] | undefined {
  const wanted = new Set(words(cited));
  let best: [number, number] | undefined;
  let most = 0;
  const weigh = (start: number, end: number) => {
    const found = words(passage.slice(start, end));
    const hits = new Set(found.filter((word) => wanted.has(word))).size;
    // Of two sentences with the same words the shorter one is nearer.
    const score = hits / Math.sqrt(found.length + 4);
    if (score > most) [most, best] = [score, [start, end]];
  };
  let start = 0;
  for (const { 0: gap, index } of passage.matchAll(END)) {
    weigh(start, index);
    start = index + gap.length;
  }
  weigh(start, passage.length);
  return best;
}

const words = (text: string): string[] => text.toLowerCase().match(WORD) ?? [];
