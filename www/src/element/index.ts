/** Registers `<coracle-search>`; also everything the API exports, for pages that load one script. */
import { CoracleSearch } from './search.js';

export * from '../index.js';
export { CoracleSearch };
export type { State } from './search.js';
export type { Strings } from './strings.js';
export type { Report } from './beacon.js';

if (!customElements.get('coracle-search')) customElements.define('coracle-search', CoracleSearch);

declare global {
  interface HTMLElementTagNameMap {
    'coracle-search': CoracleSearch;
  }
}
