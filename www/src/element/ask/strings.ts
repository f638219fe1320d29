/** Every text that `<coracle-ask>` shows or says. Replace any of them through the `strings` property. */
import type { AskErrorCode, Outcome } from './client.js';

export interface AskStrings {
  /** Label of the field for screen readers. */
  label: string;
  placeholder: string;
  /** Text in the empty field once something was answered. */
  followUp: string;
  ask: string;
  stop: string;
  retry: string;
  /** On the button that retries, while that would not help yet. */
  retryIn(seconds: number): string;
  /** Empties the conversation. */
  clear: string;
  searching: string;
  /** Before the words that are searched for. */
  searchingFor: string;
  writing: string;
  sources: string;
  /** Name of a citation. */
  source(number: number, title: string): string;
  /** Added to the name of a citation that its source may not bear out. */
  unsupported: string;
  /** Shown once, under an answer with such citations. */
  unsupportedNote: string;
  /** Name of the link to a source's page. */
  open(title: string): string;
  helpful: string;
  yes: string;
  no: string;
  thanks: string;
  feedbackFailed: string;
  /** Name of a table or listing that may be wider than the page. */
  code: string;
  table: string;
  /** What is said about an answer, by how it ended; empty: nothing. */
  outcomes: Record<Outcome, string>;
  /** What is said about an answer, by the part that did less than it should; others are not spoken of. */
  degraded: Record<string, string>;
  /** Instead of `degraded.chat` where the day's budget is spent. */
  budget: string;
  /** What is said instead of an answer. */
  errors: Record<AskErrorCode, string>;
  /** Spoken when an answer is whole, before its text. */
  finished(sources: number): string;
}

export const english: AskStrings = {
  label: 'Ask a question',
  placeholder: 'Ask a question',
  followUp: 'Ask a follow-up question',
  ask: 'Ask',
  stop: 'Stop',
  retry: 'Try again',
  retryIn: (seconds) => `Try again in ${seconds} s`,
  clear: 'New conversation',
  searching: 'Searching',
  searchingFor: 'Searching for',
  writing: 'Writing the answer',
  sources: 'Sources',
  source: (number, title) => `Source ${number}: ${title}`,
  unsupported: 'may not say this',
  unsupportedNote: 'Where a number has a question mark, its source may not say what the sentence says.',
  open: (title) => `Open ${title}`,
  helpful: 'Was this helpful?',
  yes: 'Yes',
  no: 'No',
  thanks: 'Thank you.',
  feedbackFailed: 'That could not be sent.',
  code: 'Code',
  table: 'Table',
  outcomes: {
    answered: '',
    uncited: 'This answer names no sources. It may not come from the documents.',
    extractive: 'These are sentences from the documents.',
    'not-covered': 'The documents do not answer this question.',
    length: 'The answer is cut off: it reached the greatest length.',
    refused: 'The model did not want to answer this.',
    broken: 'The answer broke off.',
    stopped: 'Stopped.',
    failed: '',
  },
  degraded: {
    condense: 'Your question was searched for as it stands, without what was said before.',
    embedding: 'Searched by words only, not by meaning.',
    search: 'Searched by words only, not by meaning.',
    chat: 'The model is not available now.',
  },
  budget: 'The model has answered all it may today.',
  errors: {
    offline: 'You are offline.',
    unreachable: 'The service cannot be reached.',
    rate: 'You have asked many questions in a short time.',
    forbidden: 'This page may not ask questions here.',
    rejected: 'The service did not take this question.',
    unavailable: 'The service is not available right now.',
  },
  finished: (sources) => `Answer with ${sources === 1 ? '1 source' : `${sources} sources`}:`,
};
