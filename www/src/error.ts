/**
 * An error of the search engine or of the code around it.
 *
 * `code` is stable and meant for programs; `message` is meant for people and says what went wrong,
 * where, and what to do about it.
 */
export class CoracleError extends Error {
  /** Stable name of the kind of error: `source`, `damaged`, `filter`, `no-vectors`, … */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CoracleError';
    this.code = code;
  }
}

/** An error as it crosses a thread boundary; `status` is what a `Source` may say about a read. */
export interface ErrorMessage {
  name: string;
  code: string;
  message: string;
  status: number | undefined;
}

/** Turns anything thrown into what the API promises: a `CoracleError`, or an abort as it was. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof CoracleError || isAbort(thrown)) return thrown as Error;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CoracleError(codeOf(thrown) ?? 'internal', message, { cause: thrown });
}

export function packError(thrown: unknown): ErrorMessage {
  const { name, message } = toError(thrown);
  const { status } = Object(thrown) as { status?: number };
  return { name, message, code: codeOf(thrown) ?? 'internal', status };
}

export function unpackError({ name, code, message, status }: ErrorMessage): Error {
  if (name === 'AbortError') return new DOMException(message, name);
  return Object.assign(new CoracleError(code, message), status !== undefined && { status });
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError';
}

/**
 * Whether an error means that an opened index is of no use any more, while opening it anew may help:
 * its files were replaced by a newer build's, or the thread that searched it is gone.
 */
export function isLost(thrown: unknown): boolean {
  return lost.has(codeOf(thrown) ?? '');
}

const lost = new Set(['source', 'root', 'damaged', 'signature', 'closed', 'worker-failed', 'module-unavailable']);

export function codeOf(thrown: unknown): string | undefined {
  const { code } = Object(thrown) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
