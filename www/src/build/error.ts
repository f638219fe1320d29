/** Why there is no index. */
export class CoracleBuildError extends Error {
  /** Exit code of the command, as the guide lists them; 127 when it could not be run at all. */
  readonly code: number;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;

  constructor(code: number, message: string, hint?: string, options?: ErrorOptions) {
    super(hint ? `${message}; ${hint}` : message, options);
    this.name = 'CoracleBuildError';
    this.code = code;
    this.hint = hint;
  }
}

/** Exit codes that this code needs itself. */
export const USAGE = 2;
export const BAD_INPUT = 3;
export const STOPPED = 130;

export const usage = (message: string, hint?: string) => new CoracleBuildError(USAGE, message, hint);
