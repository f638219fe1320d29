/** Node, Deno and Bun: the module is a file, and an index may be a folder on disk. */
import { open as openFile, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initSync } from '../../pkg/coracle.js';
import { folderUrl, isData, openEngine, toIndex, type OpenOn } from '../engine.js';
import type { Source } from '../index.js';

let ready: Promise<unknown> | undefined;

const loadVerify = () => import('../verify.js');

export const openOn: OpenOn = async (from, { signal, timeout, publicKey }) => {
  ready ??= readFile(new URL('./coracle_bg.wasm', import.meta.url)).then((module) => initSync({ module }));
  await ready;
  if (isData(from)) return toIndex(await openEngine(from, { signal, timeout, publicKey, loadVerify }));
  if (/^https?:/.test(String(from))) return toIndex(await openEngine(folderUrl(from), { signal, timeout, publicKey, loadVerify }));
  const folder = String(from).startsWith('file:') ? fileURLToPath(from) : resolve(String(from));
  return toIndex(await openEngine(folderSource(folder), { signal, timeout, publicKey, loadVerify }));
};

/** What the file system says, in the words that a `Source` uses. */
const statuses: Record<string, number> = { ENOENT: 404, ENOTDIR: 404, EACCES: 403, EPERM: 403 };

/** Reads an index's files from a folder. */
function folderSource(folder: string): Source {
  return {
    async read(file, start, end) {
      try {
        if (start === undefined || end === undefined) return new Uint8Array(await readFile(join(folder, file)));
        return await readRange(join(folder, file), start, end);
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException;
        throw Object.assign(new Error(message, { cause }), { status: statuses[code ?? ''] });
      }
    },
  };
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const handle = await openFile(path);
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
