/** Every text the element shows or says. Replace any of them through the `strings` property. */
export interface Strings {
  /** Label of the field for screen readers. */
  label: string;
  placeholder: string;
  clear: string;
  retry: string;
  more: string;
  /** In the place of the count, under results by words while the whole answer is on its way. */
  loading: string;
  /** Shown above hits that were found for other words than the ones typed. */
  corrected: string;
  /** Shown when only words could be searched. */
  degraded: string;
  /** Title of the message when nothing was found; the query stands in quotes after it. */
  none: string;
  noneHint: string;
  /** Instead of that hint, where the filter leaves nothing of what was found. */
  filteredOut: string;
  /** Before words of the documents that are spelt like those of the query. */
  suggested: string;
  failed: string;
  move: string;
  select: string;
  close: string;
  /** The line under the hits, also announced. */
  count(shown: number, total: number): string;
}

export const english: Strings = {
  label: 'Search',
  placeholder: 'Search',
  clear: 'Clear',
  retry: 'Try again',
  more: 'More results',
  loading: 'Searching',
  corrected: 'Showing results for',
  degraded: 'Searched by words only, not by meaning.',
  none: 'Nothing found for',
  noneHint: 'Try fewer or other words.',
  filteredOut: 'The filters leave no result.',
  suggested: 'Similar words:',
  failed: 'Search is not available',
  move: 'move',
  select: 'open',
  close: 'close',
  count(shown, total) {
    if (total === 1) return '1 result';
    // No more than 100 are shown.
    return `${shown < total ? `${shown} of ` : ''}${total.toLocaleString('en')} results`;
  },
};
