/** What Node, Deno and Bun have in common: settings in the environment, module and index in files. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { folderSource } from '../../www/src/host/folder.js';
import { createHandler, type Handler, type HandlerOptions } from './handler.js';

export { folderSource } from '../../www/src/host/folder.js';
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
