/** What Node, Deno and Bun have in common: settings in the environment, module and index in files. */
import { open, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Reads } from '../../www/src/source.js';
import { createHandler, type Handler, type HandlerOptions } from './handler.js';

export { createHandler, type Context, type Handler, type HandlerOptions } from './handler.js';
export { moduleBytes } from './module.js';
export { Budget, MOST_CONNECTIONS, MOST_READS, MOST_SUBREQUESTS } from './limits.js';

/** The module, which lies beside this file. */
export async function loadModule(): Promise<WebAssembly.Module> {
  const { compile } = WebAssembly as unknown as { compile(bytes: Uint8Array): Promise<WebAssembly.Module> };
  return compile(await readFile(join(dirname(fileURLToPath(import.meta.url)), 'coracle_service_bg.wasm')));
}

/** The handler with the settings of the environment, of which `INDEX_FROM` is a folder or an address. */
export async function handlerFromEnvironment(more: Partial<HandlerOptions> = {}): Promise<Handler> {
  const from = env.INDEX_FROM;
  if (!from) throw new Error('INDEX_FROM is missing: give the folder or the address of an index');
  const index = /^https?:/.test(from) ? from : folderSource(from.startsWith('file:') ? fileURLToPath(from) : resolve(from));
  return createHandler({ module: await loadModule(), index, publicKey: env.PUBLIC_KEY, variables: env, ...more });
}

/** Where to listen. */
export const address = () => ({ hostname: env.HOST ?? '127.0.0.1', port: Number(env.PORT ?? 8787) });

/** What the file system says, in the words that sources use. */
const statuses: Record<string, number> = { ENOENT: 404, ENOTDIR: 404, EACCES: 403, EPERM: 403 };

/** Reads an index's files from a folder. */
export function folderSource(folder: string): Reads {
  return {
    async read(file, start, end) {
      try {
        const path = join(folder, file);
        return start === undefined || end === undefined ? new Uint8Array(await readFile(path)) : await readRange(path, start, end);
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException;
        throw Object.assign(new Error(message, { cause }), { status: statuses[code ?? ''] });
      }
    },
  };
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await handle.close();
  }
}
