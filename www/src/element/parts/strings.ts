/** Texts of the elements that stand beside a search field, and of its recent searches. */
export interface PartStrings {
  /** Name of the list of results. */
  results: string;
  /** Title of the filters. */
  filters: string;
  clearFilters: string;
  /** On the button that brings values that are rarer; and on the one that hides them again. */
  showAll: string;
  showFewer: string;
  recent: string;
  /** Clears the list of recent searches. */
  forget: string;
}

export const english: PartStrings = {
  results: 'Results',
  filters: 'Filters',
  clearFilters: 'Clear filters',
  showAll: 'Show all',
  showFewer: 'Show fewer',
  recent: 'Recent searches',
  forget: 'Clear recent searches',
};
