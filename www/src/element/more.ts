/** What `<coracle-search>` does only where it is wanted; loaded then. */
import { offer } from './agent.js';
import { report } from './beacon.js';
import { follow } from './language.js';
import { english } from './parts/strings.js';
import { recall } from './recent.js';
import type { CoracleSearch } from './search.js';

export default function more(field: CoracleSearch, signal: AbortSignal): void {
  // It may have left the page meanwhile.
  if (signal.aborted) return;
  const label = field.hasAttribute('recent') ? recall(field, signal) : undefined;
  label?.(english);
  follow(field, signal, (texts) => {
    field.speak(texts?.search);
    label?.(texts?.parts ?? english);
  });
  offer(field, signal);
  report(field, signal);
}
