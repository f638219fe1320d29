/** Registers `<coracle-ask>`. */
import { CoracleAsk } from './ask.js';

export { CoracleAsk };
export type { Answer, AskState } from './ask.js';
export { AskError } from './client.js';
export type { AskErrorCode, Challenge, Citation, Outcome, Source } from './client.js';
export type { AskStrings } from './strings.js';

if (!customElements.get('coracle-ask')) customElements.define('coracle-ask', CoracleAsk);

declare global {
  interface HTMLElementTagNameMap {
    'coracle-ask': CoracleAsk;
  }
}
