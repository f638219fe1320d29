/** Registers `<coracle-results>`, `<coracle-facets>` and `<coracle-config>`. */
import { CoracleConfig } from './config.js';
import { CoracleFacets } from './facets.js';
import { CoracleResults } from './results.js';

export { CoracleConfig, CoracleFacets, CoracleResults };
export type { PartStrings } from './strings.js';

const parts = { 'coracle-config': CoracleConfig, 'coracle-results': CoracleResults, 'coracle-facets': CoracleFacets };
for (const [name, part] of Object.entries(parts)) if (!customElements.get(name)) customElements.define(name, part);

declare global {
  interface HTMLElementTagNameMap {
    'coracle-config': CoracleConfig;
    'coracle-facets': CoracleFacets;
    'coracle-results': CoracleResults;
  }
}
