/**
 * What one request may take of its host. Cloudflare queues a seventh connection that waits for headers
 * and refuses the 51st subrequest of the free plan; here both bounds are kept everywhere, with room for
 * what is not ours.
 */

/** Connections that wait for headers at a time. */
export const MOST_CONNECTIONS = 6;

/** Of these, what reads of the index may take: one is left for a model. */
export const MOST_READS = MOST_CONNECTIONS - 1;

/** Fetches, reads of buckets and uses of caches, all together, where a host counts them. */
export const MOST_SUBREQUESTS = 45;

/** Of these, what reads of the index and caches leave for models. */
const FOR_MODELS = 8;

/** What uses a connection. */
export type Use = 'read' | 'cache' | 'model';

/** Connections and subrequests of one request. */
export class Budget {
  /** Subrequests so far. */
  used = 0;
  #open = 0;
  #queue: { most: number; go: () => void }[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Subrequests that are left for this use; may be infinitely many. */
  left(use: Use): number {
    return Math.max(0, this.#most - (use === 'model' ? 0 : FOR_MODELS) - this.used);
  }

  /** Whether there is a subrequest left for this use. */
  allows(use: Use): boolean {
    return this.left(use) > 0;
  }

  /**
   * Does work that uses a connection, as soon as one is free. A time limit of it should begin in there.
   *
   * @throws where no subrequest is left, or the signal's reason
   */
  async spend<T>(use: Use, stop: AbortSignal, work: () => Promise<T>): Promise<T> {
    stop.throwIfAborted();
    if (!this.allows(use)) throw new Error(`a request may send ${this.#most} subrequests at most`);
    this.used += 1;
    const most = use === 'model' ? MOST_CONNECTIONS : MOST_READS;
    // Who is called off meanwhile takes its turn all the same, and ends it at once.
    if (this.#open >= most) await new Promise<void>((go) => this.#queue.push({ most, go }));
    else this.#open += 1;
    try {
      stop.throwIfAborted();
      return await work();
    } finally {
      this.#open -= 1;
      this.#next();
    }
  }

  #next(): void {
    const at = this.#queue.findIndex(({ most }) => this.#open < most);
    if (at < 0) return;
    this.#open += 1;
    this.#queue.splice(at, 1)[0]!.go();
  }
}

/** Whose connections a read may use: reads know nothing of their request but its signal. */
const budgets = new WeakMap<AbortSignal, Budget>();

/** A signal for reads at this request's cost. */
export function chargeTo(budget: Budget, stop: AbortSignal): AbortSignal {
  budgets.set(stop, budget);
  return stop;
}

/** Does a read at the cost of the request that its signal belongs to. */
export function charged<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T> {
  const budget = budgets.get(stop);
  return budget ? budget.spend('read', stop, work) : work();
}
