/** A folder of links to those files of another that globs name: the command's globs hold for all its inputs. */
import { copyFile, mkdir, readdir, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import ignore from 'ignore';
import { CoracleBuildError } from './error.js';
import type { Directory } from './index.js';

const IO = 5;

/** Makes the folder `to`, and returns it. */
export async function mirror(from: string, { glob, exclude }: Pick<Directory, 'glob' | 'exclude'>, to: string): Promise<string> {
  const wanted = glob === undefined ? undefined : ignore().add(glob);
  const unwanted = ignore().add(exclude ?? []);
  await mkdir(to, { recursive: true });
  for (const file of await filesOf(from)) {
    const name = relative(from, file) || basename(file);
    const path = name.split(sep).join('/');
    if (unwanted.ignores(path) || wanted?.ignores(path) === false) continue;
    const link = join(to, name);
    await mkdir(dirname(link), { recursive: true });
    // Not everybody may make links on Windows.
    await symlink(file, link).catch(() => copyFile(file, link));
  }
  return to;
}

/** Every file below a folder, or the file itself. Folders that links lead to are followed, but never in a circle. */
async function filesOf(path: string, above: string[] = []): Promise<string[]> {
  const kind = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    // A link that leads nowhere is for the command to complain about.
    if (above.length > 0) return undefined;
    throw new CoracleBuildError(IO, `${path}: ${cause.code ?? cause.message}`, 'check the path', { cause });
  });
  if (!kind?.isDirectory()) return [path];
  const here = `${kind.dev}:${kind.ino}`;
  if (above.includes(here)) return [];
  const names = (await readdir(path)).filter((name) => name !== 'node_modules' && !name.startsWith('.'));
  const found = await Promise.all(names.map((name) => filesOf(join(path, name), [...above, here])));
  return found.flat();
}
