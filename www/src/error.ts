/**
 * An error of the search engine or of the code around it.
 *
 * `code` is stable and meant for programs; `message` is meant for people and says what went wrong,
 * where, and what to do about it.
 */
export class CoracleError extends Error {
  /** Stable name of the kind of error, in snake case: `not_found`, `damaged`, `bad_filter`, … */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CoracleError';
    this.code = code;
  }
}

/** An error as it crosses a thread boundary; `name` tells aborts from failures. */
export interface ErrorMessage {
  name: string;
  code: string;
  message: string;
}

/** Turns anything thrown into what the API promises: a `CoracleError`, or an abort as it was. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof CoracleError || isAbort(thrown)) return thrown as Error;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CoracleError(codeOf(thrown) ?? 'internal', message, { cause: thrown });
}

export function packError(thrown: unknown): ErrorMessage {
  const { name, message } = toError(thrown);
  return { name, message, code: codeOf(thrown) ?? 'internal' };
}

export function unpackError({ name, code, message }: ErrorMessage): Error {
  return name === 'AbortError' ? new DOMException(message, name) : new CoracleError(code, message);
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

function codeOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
