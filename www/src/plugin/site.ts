/** The index of a finished site: the pages that a generator wrote. */
import { mkdtemp, readFile, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createIndex, type UrlStyle } from '../build/index.js';
import { copyAssets } from './assets.js';
import { slashed, type Log, type Settings } from './options.js';

export interface Site {
  /** Folder that the generator wrote to. */
  outDir: string;
  /** Path that the site is served below. */
  base: string;
  /** How names of files become addresses; default `directory`. */
  urlStyle?: UrlStyle;
  /** Marks up what in a page is no content; a page without any becomes nothing. */
  edit?: (html: string) => string | undefined;
}

/** Indexes the pages in `outDir` into a folder of it, and puts the elements' scripts beside the index. */
export async function indexSite({ outDir, base, urlStyle = 'directory', edit }: Site, settings: Settings, log: Log): Promise<void> {
  const { folder, exclude, flags } = settings;
  const index = await createIndex({ ...flags, baseUrl: slashed(base), urlStyle });
  const scratch = edit && (await mkdtemp(join(tmpdir(), 'coracle-pages-')));
  try {
    if (edit && scratch) await edited(outDir, scratch, edit);
    await index.addDirectory({ path: scratch ?? outDir, glob: '*.html', exclude: ['/404.html', `/${folder}/`, ...exclude] });
    const { pages, bytes, seconds, warnings } = await index.write(join(outDir, folder));
    await copyAssets(join(outDir, folder));
    for (const warning of warnings) log.warn(warning);
    log.info(`${pages} pages in ${folder}/, ${Math.ceil(bytes / 1000)} kB, ${seconds.toFixed(1)} s`);
  } finally {
    await index.close();
    if (scratch) await rm(scratch, { recursive: true, force: true });
  }
}

/** Copies a folder's pages, each as `edit` returns it. */
async function edited(from: string, to: string, edit: (html: string) => string | undefined): Promise<void> {
  for (const name of await readdir(from, { recursive: true })) {
    if (!name.endsWith('.html')) continue;
    const html = edit(await readFile(join(from, name), 'utf8'));
    if (html === undefined) continue;
    await mkdir(dirname(join(to, name)), { recursive: true });
    await writeFile(join(to, name), html);
  }
}
