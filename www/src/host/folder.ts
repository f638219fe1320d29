/** Reads files of a folder on disk, in Node, Deno and Bun. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Source } from '../index.js';

/** What the file system says, in the words that a `Source` uses. */
const statuses: Record<string, number> = { ENOENT: 404, ENOTDIR: 404, EACCES: 403, EPERM: 403 };

/** Reads an index's files from a folder. */
export function folderSource(folder: string): Source {
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
