/** Registers `<coracle-modal>`. */
import { CoracleModal } from './modal.js';

export { CoracleModal };
export type { ModalStrings } from './strings.js';

if (!customElements.get('coracle-modal')) customElements.define('coracle-modal', CoracleModal);

declare global {
  interface HTMLElementTagNameMap {
    'coracle-modal': CoracleModal;
  }
}
