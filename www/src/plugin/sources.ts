/** What a development server's index is made of: sources, mapped to the addresses of their pages. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { BuildIndex } from '../build/index.js';

/** A page: its Markdown, with its address below the site's base, or a whole folder of built pages. */
export type Source =
  | { url: string; markdown: string; isMdx: boolean }
  | { url: string; html: string }
  | { folder: string; exclude: string[] };

/** Files that make a page, and whose changes change it. */
export const isSource = (file: string) => /\.(?:mdx?|markdown|html?)$/i.test(file);

const isMarkdown = (file: string) => /\.(?:mdx?|markdown)$/i.test(file);

/** Adds sources to an index; what has to be laid down for this goes to `scratch`. */
export async function add(index: BuildIndex, sources: Source[], scratch: string): Promise<void> {
  await mkdir(scratch, { recursive: true });
  let staged = 0;
  for (const source of sources) {
    if ('folder' in source) {
      await index.addDirectory({ path: source.folder, glob: '*.html', exclude: source.exclude });
    } else if ('html' in source) {
      await index.addHTML({ url: source.url.replace(/^\//, ''), content: source.html });
    } else {
      staged += 1;
      const extension = source.isMdx ? 'mdx' : 'md';
      await writeFile(join(scratch, `${staged}.${extension}`), addressed(source.markdown, source.url));
    }
  }
  if (staged > 0) await index.addDirectory({ path: scratch });
}

/** A Markdown page whose front matter says where it is, whatever it said before. */
function addressed(markdown: string, url: string): string {
  const [, front = '', body = ''] = /^(?:---[ \t]*\r?\n([^]*?\r?\n)?---[ \t]*(?:\r?\n|$))?([^]*)$/.exec(markdown) ?? [];
  const rest = front.replace(/^(?:url|permalink|slug)\s*:.*\r?\n/gm, '');
  // Programs, and lines that open and close boxes, are the generator's and no text.
  const text = body.replace(/^<(script|style)\b[^]*?^<\/\1>/gm, '').replace(/^[ \t]*:{3,}.*$/gm, '');
  return `---\nurl: ${JSON.stringify(url)}\n${rest}---\n${text}`;
}

export interface Folder {
  /** Path of the folder. */
  path: string;
  /** Address of its pages, below the site's base. */
  at: string;
  /** Ends addresses in a slash. */
  slash: boolean;
  /** Names of files → parts of addresses, where a generator changes them. */
  part?: ((name: string) => string) | undefined;
}

/** The pages of the option `content`, whose folders are relative to the project's. */
export async function contentOf(content: Record<string, string>, root: string, how: Pick<Folder, 'slash' | 'part'>): Promise<Source[]> {
  const folders = Object.entries(content).map(([at, path]) => pagesOf({ ...how, path: resolve(root, path), at }));
  return (await Promise.all(folders)).flat();
}

/** Every page of a folder of sources. */
export async function pagesOf({ path, at, slash, part = (name) => name }: Folder): Promise<Source[]> {
  const names = await readdir(path, { recursive: true }).catch(() => [] as string[]);
  const pages = names.sort().map(async (name): Promise<Source[]> => {
    const parts = name.split(sep);
    // Generators make no pages of what begins with an underscore.
    if (!isSource(name) || parts.some((part) => /^[._]|^node_modules$/.test(part))) return [];
    const text = await readFile(resolve(path, name), 'utf8');
    const own = parts.map((name) => part(name.replace(/\.\w+$/, '')));
    if (/^(?:index|readme)$/i.test(own.at(-1)!)) own.pop();
    const [, slug = own.join('/')] = /^---\r?\n(?:[^]*?\r?\n)?slug:[ \t]*['"]?([^'"\r\n]+?)['"]?[ \t]*\r?\n[^]*?---/.exec(text) ?? [];
    const url = address(`${at}/${slug}`, slash);
    return [isMarkdown(name) ? { url, markdown: text, isMdx: name.endsWith('.mdx') } : { url, html: text }];
  });
  return (await Promise.all(pages)).flat();
}

/** The file of a finished site that an address stands for. */
export const fileOf = (url: string) => `${url.endsWith('/') ? `${url}index` : url.replace(/\.html$/, '')}.html`.replace(/^\//, '');

/** A path without doubled slashes, and with or without one at its end; `/` has one. */
export function address(path: string, slash: boolean): string {
  const parts = path.split('/').filter(Boolean);
  return `/${parts.join('/')}${slash && parts.length > 0 ? '/' : ''}`;
}
