import { CoracleError } from './error.js';

/** No search's deadline is watched meanwhile. */
const PATIENCE_MS = 10_000;

/**
 * The third part of the module, read while everything else in this thread waits: it is needed in the middle
 * of a call. Threads that search have nothing else to do.
 */
export function readRest(url: string): WebAssembly.Module {
  try {
    const request = new XMLHttpRequest();
    request.open('GET', url, false);
    // On a page itself there is no limit of time, and bytes are to be had as characters only.
    if (typeof window === 'undefined') request.timeout = PATIENCE_MS;
    request.overrideMimeType('text/plain; charset=x-user-defined');
    request.send();
    return new WebAssembly.Module(Uint8Array.from(request.responseText, (byte) => byte.charCodeAt(0)));
  } catch (cause) {
    throw new CoracleError('module-unavailable', `${url} is missing; copy it there`, { cause });
  }
}
