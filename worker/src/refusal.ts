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
const clientErrors: Record<string, number> = {
  bad_query: 400,
  bad_filter: 400,
  unknown_field: 400,
  bad_option: 400,
  dimension_mismatch: 400,
  unsupported_mode: 400,
};

export function toRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  const { code, message } = thrown as { code?: string; message: string };
  const status = code === undefined ? undefined : clientErrors[code];
  if (status) return new Refusal(status, code!, message);
  return new Refusal(503, 'index_unavailable', 'the index cannot be read right now');
}
