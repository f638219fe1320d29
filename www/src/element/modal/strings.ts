/** Every text that `<coracle-modal>` shows or says. Replace any of them through the `strings` property. */
export interface ModalStrings {
  /** On the button that opens the dialog, and the dialog's name. */
  search: string;
  ask: string;
  close: string;
}

export const english: ModalStrings = { search: 'Search', ask: 'Ask', close: 'Close' };
