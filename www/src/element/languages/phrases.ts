/** The elements' texts in another language than English, made of the phrases of its file. */
import type { AskStrings } from '../ask/strings.js';
import type { ModalStrings } from '../modal/strings.js';
import type { PartStrings } from '../parts/strings.js';
import type { Strings } from '../strings.js';
import type german from './de.json';

/** A phrase for each plural form that the language has; `other` is the one of all languages. */
type Forms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** All phrases of a language: every file has the same, with the same `{gaps}`. */
export type Phrases = { [Key in keyof typeof german]: (typeof german)[Key] extends string ? string : Forms };

/** The texts of every element, in one language. */
export interface Translation {
  search: Strings;
  modal: ModalStrings;
  ask: AskStrings;
  parts: PartStrings;
}

export function translated(language: string, phrases: Phrases): Translation {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const filled = (phrase: string, values: Record<string, string | number>) =>
    phrase.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name]!;
      return typeof value === 'number' ? numbers.format(value) : value;
    });
  const counted = (forms: Forms, n: number) => filled(forms[rules.select(n)] ?? forms.other, { n });
  const { retry, searching, wordsOnly } = phrases;
  const search: Strings = {
    label: phrases.search,
    placeholder: phrases.search,
    clear: phrases.clear,
    retry,
    more: phrases.more,
    loading: searching,
    corrected: phrases.corrected,
    degraded: wordsOnly,
    none: phrases.none,
    noneHint: phrases.noneHint,
    filteredOut: phrases.filteredOut,
    suggested: phrases.suggested,
    failed: phrases.failed,
    move: phrases.move,
    select: phrases.select,
    close: phrases.close,
    count: (shown, n) => (shown < n ? filled(phrases.resultsOf, { shown, n }) : counted(phrases.results, n)),
  };
  const ask: AskStrings = {
    label: phrases.question,
    placeholder: phrases.question,
    followUp: phrases.followUp,
    ask: phrases.ask,
    stop: phrases.stop,
    retry,
    retryIn: (n) => filled(phrases.retryIn, { n }),
    clear: phrases.newConversation,
    searching,
    searchingFor: phrases.searchingFor,
    writing: phrases.writing,
    sources: phrases.sources,
    // Numbers of sources are names: they look as they do in the answer.
    source: (number, title) => filled(phrases.source, { n: `${number}`, title }),
    unsupported: phrases.unsupported,
    unsupportedNote: phrases.unsupportedNote,
    open: (title) => filled(phrases.open, { title }),
    helpful: phrases.helpful,
    yes: phrases.yes,
    no: phrases.no,
    thanks: phrases.thanks,
    feedbackFailed: phrases.feedbackFailed,
    code: phrases.code,
    table: phrases.table,
    outcomes: {
      answered: '',
      uncited: phrases.uncited,
      extractive: phrases.extractive,
      'not-covered': phrases.notCovered,
      length: phrases.length,
      refused: phrases.refused,
      broken: phrases.broken,
      stopped: phrases.stopped,
      failed: '',
    },
    degraded: { condense: phrases.condense, embedding: wordsOnly, search: wordsOnly, chat: phrases.modelDown },
    budget: phrases.budget,
    errors: {
      offline: phrases.offline,
      unreachable: phrases.unreachable,
      rate: phrases.rate,
      forbidden: phrases.forbidden,
      rejected: phrases.rejected,
      unavailable: phrases.unavailable,
    },
    finished: (n) => counted(phrases.finished, n),
  };
  const modal: ModalStrings = { search: phrases.search, ask: phrases.ask, close: phrases.closeDialog };
  const parts: PartStrings = {
    results: phrases.resultsName,
    filters: phrases.filters,
    clearFilters: phrases.clearFilters,
    showAll: phrases.showAll,
    showFewer: phrases.showFewer,
    recent: phrases.recent,
    forget: phrases.forget,
  };
  return { search, modal, ask, parts };
}
