/** The module's one instance. A panic, which is a bug, ends it; the next request gets a new one. */
import { __wbg_reset_state as renew, CoracleService, initSync } from '../pkg/coracle_service.js';

let isStarted = false;

/** Number of the instance that runs. What was made by another one must not be touched any more. */
let number = 0;

export const instance = (): number => number;

let memory: WebAssembly.Memory | undefined;

/** Bytes of memory that the first instance has taken, for tests. */
export const moduleBytes = (): number => memory?.buffer.byteLength ?? 0;

/** A service in the running instance. */
export function makeService(module: WebAssembly.Module, variables: Record<string, string>): CoracleService {
  if (!isStarted) ({ memory } = initSync({ module }));
  isStarted = true;
  return new CoracleService(variables);
}

/** Whether an error is the end of the instance: a trap, or no room on its stack. */
export function isTrap(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError;
}

/** Puts a new instance in the place of the one of this number, unless that was done. */
export function replace(broken: number): void {
  if (broken !== number) return;
  number += 1;
  renew();
}
