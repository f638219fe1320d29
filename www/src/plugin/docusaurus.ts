/** Plugin for Docusaurus: the search bar of the classic theme. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DevIndex } from './dev.js';
import { settle, type Log, type ThemeOptions } from './options.js';
import { indexSite } from './site.js';
import type { Source } from './sources.js';

export type { ThemeOptions } from './options.js';

// Docusaurus's own type: it checks it where it is used.
type Plugin = any;

/** As much of Docusaurus as is used. */
interface Context {
  siteDir: string;
  baseUrl: string;
  siteConfig: { trailingSlash?: boolean | undefined };
}

/** A page with a source, as the plugins of docs, blog and pages describe it. */
interface Described {
  permalink?: string;
  source?: string;
  draft?: boolean;
  unlisted?: boolean;
}

/** What these plugins have loaded, by their names and ids. */
type AllContent = Record<string, Record<string, unknown> | undefined>;

const log: Log = {
  info: (text) => console.log(`[coracle] ${text}`),
  warn: (text) => console.warn(`[coracle] ${text}`),
};

/** ```js
 * // docusaurus.config.js
 * export default { plugins: ['@coracle-search/coracle/docusaurus'] };
 * ```
 */
export default function coracle(context: Context, options: ThemeOptions & { id?: string } = {}): Plugin {
  const { id: _, ...own } = options;
  const settings = settle(own);
  const { siteDir, baseUrl, siteConfig } = context;
  const src = `${baseUrl}${settings.folder}/`;
  let content: AllContent = {};
  let index: DevIndex | undefined;

  async function sources(): Promise<Source[]> {
    const pages = described(content).map(async ({ permalink, source }): Promise<Source[]> => {
      if (!/\.mdx?$/.test(source)) return [];
      const markdown = await readFile(join(siteDir, source.replace(/^@site\//, '')), 'utf8');
      return [{ url: permalink.slice(baseUrl.length - 1), markdown, isMdx: true }];
    });
    return (await Promise.all(pages)).flat();
  }

  return {
    name: 'coracle',
    getThemePath: () => fileURLToPath(new URL('theme/docusaurus', import.meta.url)),
    contentLoaded({ actions }: Plugin) {
      actions.setGlobalData({ src, attributes: settings.attributes });
    },
    allContentLoaded({ allContent }: { allContent: AllContent }) {
      content = allContent;
      // Called again whenever a page changed.
      index?.touch();
    },
    configureWebpack(_config: unknown, isServer: boolean) {
      if (isServer || !settings.dev || process.env['NODE_ENV'] === 'production') return {};
      index ??= new DevIndex({ base: baseUrl, sources }, settings, log);
      index.touch();
      const { handle } = index;
      return {
        devServer: {
          // Takes the place of Docusaurus's own, which brings sources to the overlay of errors.
          setupMiddlewares(middlewares: unknown[]) {
            middlewares.unshift({ name: 'coracle', middleware: handle });
            return middlewares;
          },
        },
      };
    },
    async postBuild({ outDir }: { outDir: string }) {
      const urlStyle = siteConfig.trailingSlash === false ? 'clean' : 'directory';
      await indexSite({ outDir, base: baseUrl, urlStyle, edit: withoutLists }, settings, log);
    },
  };
}

/** Everything with an address and a source, at whatever depth the plugins keep it. */
function described(content: AllContent): { permalink: string; source: string }[] {
  const found = new Map<string, { permalink: string; source: string }>();
  const visit = (value: unknown, depth: number) => {
    if (typeof value !== 'object' || value === null || depth > 6) return;
    const { permalink, source, draft, unlisted } = value as Described;
    if (typeof permalink === 'string' && typeof source === 'string' && !draft && !unlisted) found.set(permalink, { permalink, source });
    for (const part of Object.values(value)) visit(part, depth + 1);
  };
  for (const plugin of ['docs', 'blog', 'pages']) visit(content[`docusaurus-plugin-content-${plugin}`], 0);
  return [...found.values()];
}

/**
 * Pages that repeat what stands on others are left out: lists of posts by date, tag and author. So is a
 * page's list of its own headings, which stands in its main content.
 */
function withoutLists(html: string): string | undefined {
  const [, classes = ''] = /<html[^>]*\sclass="([^"]*)"/.exec(html) ?? [];
  const isArchive = /\bplugin-blog\b/.test(classes) && !/-page\b/.test(classes);
  if (isArchive || /-list-page\b/.test(classes)) return undefined;
  return html.replace(/class="[^"]*\btheme-doc-toc-(?:desktop|mobile)\b[^"]*"/g, '$& data-pagefind-ignore');
}
