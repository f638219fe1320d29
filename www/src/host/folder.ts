/** Reads files of a folder on disk, in Node, Deno and Bun. */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Source } from '../index.js';

/** What the file system says, in the words that a `Source` uses. */
const statuses: Record<string, number> = { ENOENT: 404, ENOTDIR: 404, EACCES: 403, EPERM: 403 };

/** Reads an index's files from a folder. */
export function folderSource(folder: string): Source {
  const files = new Map<string, OpenFile>();

  /** Reads of one wave share a file: opening it for each takes longer than searching. */
  async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
    let file = files.get(path);
    if (!file) files.set(path, (file = { handle: open(path), readers: 0 }));
    file.readers += 1;
    try {
      return await read(await file.handle, start, end);
    } finally {
      file.readers -= 1;
      if (file.readers === 0) {
        files.delete(path);
        // One that did not open has been reported by what waited for it.
        file.handle.then((handle) => handle.close()).catch(() => undefined);
      }
    }
  }

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

interface OpenFile {
  handle: Promise<FileHandle>;
  readers: number;
}

async function read(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
