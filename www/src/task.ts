/** Runs the module's tasks: it computes, the reads in between are done here. */
import type { Task } from '../pkg/coracle.js';
import type { Reads } from './source.js';

type Read = [file: string, start?: number, end?: number];

/** So long a search waits for what another one reads; then it reads for itself. */
const PATIENCE_MS = 2000;

/** Who wants to know how a task goes. */
export interface Course {
  /** It waits for reads, once more or for the first time. */
  waits(): void;
  /** It has its result. */
  ended(): void;
}

/** Tasks of one index, which wait for one another where they want the same bytes. */
export class Tasks {
  #waiting: (() => void)[] = [];
  /** Is called where a task waits for one that may have died: a worker's requests end without a word. */
  onstuck: (() => void) | undefined;

  /**
   * Steps a task to its result; `course` hears of it before another task goes on.
   *
   * @throws what the task failed with, or the signal's reason as soon as it fires
   */
  async run<T>(task: Task, source: Reads, signal: AbortSignal, course?: Course): Promise<T> {
    try {
      let answers: unknown[] = [];
      for (;;) {
        signal.throwIfAborted();
        const next: unknown = task.step(answers);
        if (!Array.isArray(next)) {
          course?.ended();
          return next as T;
        }
        if (answers.length > 0) this.#pass();
        course?.waits();
        // Nothing to read: another task is reading it.
        answers = next.length > 0 ? await wave(next, source, signal) : await this.#turn(signal);
      }
    } finally {
      task.free();
      this.#pass();
    }
  }

  #pass(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  async #turn(signal: AbortSignal): Promise<[]> {
    const stuck = setTimeout(() => {
      this.onstuck?.();
      this.#pass();
    }, PATIENCE_MS);
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    clearTimeout(stuck);
    return [];
  }
}

/**
 * The answers to reads that run side by side, in their order. The first failure ends them all: it is
 * an answer too, and those that are still out are `undefined`.
 */
async function wave(reads: Read[], source: Reads, signal: AbortSignal): Promise<unknown[]> {
  const stop = new AbortController();
  const answers: unknown[] = reads.map(() => undefined);
  let onabort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onabort = () => reject(signal.reason);
      signal.addEventListener('abort', onabort);
      let out = reads.length;
      reads.forEach(async ([file, start, end], at) => {
        try {
          answers[at] = await source.read(file, start, end, stop.signal);
          if (--out === 0) resolve();
        } catch (thrown) {
          answers[at] = thrown ?? new Error('the source gave no reason');
          resolve();
        }
      });
    });
    return answers;
  } finally {
    signal.removeEventListener('abort', onabort!);
    stop.abort();
  }
}
