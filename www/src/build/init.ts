/** `npx coracle init`: what a page loads, a first page where there is none, and the first build. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyAssets } from './assets.js';
import starter from './starter.html';

export const INIT_HELP = `With npm also:
  npx coracle init [DIR] [FLAGS OF BUILD]
    Put the search field's scripts into DIR/coracle, a first page where there is none, and build the
    index into DIR/search [default of DIR: site]`;

const FIELD = `Put the search field where it is to be:
  <script type="module" src="/coracle/coracle-search.js"></script>
  <coracle-search src="/search/"></coracle-search>`;

/**
 * Lays down scripts and page. May be run again: scripts become those of this version, pages stay.
 *
 * @returns arguments of the first build, and what to say when it is done
 */
export async function init(args: string[]): Promise<{ args: string[]; next: string }> {
  if (args.some((argument) => argument === '--help' || argument === '-h')) {
    console.log(INIT_HELP);
    process.exit(0);
  }
  const [folder, flags] = args[0] === undefined || args[0].startsWith('-') ? ['site', args] : [args[0], args.slice(1)];
  const scripts = join(folder, 'coracle');
  mkdirSync(scripts, { recursive: true });
  // The command's script lies in the package's `dist`.
  await copyAssets(fileURLToPath(new URL('.', import.meta.url)), scripts);
  const page = join(folder, 'index.html');
  const isNew = !existsSync(page);
  if (isNew) writeFileSync(page, starter);
  const out = join(folder, 'search');
  const next = [
    isNew ? `${page} is a first page with a search field.` : FIELD,
    `See it:         npx coracle serve ${folder}`,
    `After changes:  npx coracle build ${folder} --out ${out}`,
  ];
  return { args: ['build', folder, `--out=${out}`, ...flags], next: `\n${next.join('\n')}` };
}
