/** An answer that is an error: a status, a stable code for programs, a sentence for people. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
  }
}

/**
 * Errors of the engine that the client caused; everything else is the server's. What the engine says
 * about its files is kept from clients: it names places they have no business with.
 */
const clientErrors = new Set(['usage', 'filter', 'embedding', 'no-vectors', 'limit']);

export function toRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  const { code, message } = thrown as { code?: string; message: string };
  if (code !== undefined && clientErrors.has(code)) return new Refusal(400, code, message);
  if (code === 'timeout') return new Refusal(504, code, 'the search took too long; try again');
  return new Refusal(503, 'index-unavailable', 'the index cannot be read right now');
}
