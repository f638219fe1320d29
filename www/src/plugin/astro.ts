/** Integration for Astro, and plugin for Starlight. */
import { fileURLToPath } from 'node:url';
import GithubSlugger from 'github-slugger';
import { DevIndex } from './dev.js';
import { settle, slashed, type ContentOptions, type Log, type ThemeOptions } from './options.js';
import { indexSite } from './site.js';
import { address, contentOf, type Source } from './sources.js';
import { serveDev } from './vite.js';
import type { VitePlugin, ViteServer } from './vite-types.js';

export type { ContentOptions, ThemeOptions } from './options.js';

// Astro's own type: it checks it where it is used.
type Integration = any;

/** As much of Astro's configuration as is used. */
interface AstroConfig {
  root: URL;
  srcDir: URL;
  outDir: URL;
  base: string;
  trailingSlash: 'always' | 'never' | 'ignore';
  build: { format: 'directory' | 'file' | 'preserve' };
}

/** A route; those with a path have one page. */
interface Route {
  type: string;
  pathname?: string;
  origin: 'internal' | 'external' | 'project';
}

const SEARCH = '@coracle-search/coracle/astro/Search.astro';

/** ```js
 * // astro.config.mjs
 * import coracle from '@coracle-search/coracle/astro';
 * export default { integrations: [coracle()] };
 * ```
 *
 * and on a page `import Search from '@coracle-search/coracle/astro/Search.astro'`, then `<Search />`.
 */
export default function coracle(options: ThemeOptions & ContentOptions = {}): Integration {
  return integration(options, {});
}

/** ```js
 * // astro.config.mjs
 * import { starlightCoracle } from '@coracle-search/coracle/astro';
 * export default { integrations: [starlight({ title: 'Docs', plugins: [starlightCoracle()] })] };
 * ```
 */
export function starlightCoracle(options: ThemeOptions & ContentOptions = {}): Integration {
  return {
    name: 'starlight-coracle',
    hooks: {
      'config:setup'({ config, updateConfig, addIntegration }: Integration) {
        updateConfig({ pagefind: false, components: { ...config.components, Search: SEARCH } });
        addIntegration(integration({ ...options, attributes: { ...starlightColours, ...options.attributes } }, { '/': 'content/docs' }));
      },
    },
  };
}

/** Starlight's colours for the element. */
const starlightColours = {
  style: [
    '--coracle-accent: var(--sl-color-text-accent)',
    '--coracle-surface: var(--sl-color-bg-nav)',
    '--coracle-raised: var(--sl-color-gray-6)',
    '--coracle-text: var(--sl-color-white)',
    '--coracle-muted: var(--sl-color-gray-3)',
    '--coracle-border: var(--sl-color-gray-5)',
  ].join(';'),
};

/** What Astro makes of a file's name. */
const slug = (name: string) => new GithubSlugger().slug(name);

/** @param collections as the option `content`, but below `src` */
function integration(options: ThemeOptions & ContentOptions, collections: Record<string, string>): Integration {
  const settings = settle(options);
  let config: AstroConfig;
  let routes: Route[] = [];
  let origin: string | undefined;
  let index: DevIndex | undefined;
  const isSlashed = () => config.trailingSlash !== 'never';
  const sources = async () => {
    const slash = isSlashed();
    const how = { slash, part: slug };
    const content = [contentOf(collections, fileURLToPath(config.srcDir), how), contentOf(settings.content, fileURLToPath(config.root), how)];
    return [...(await rendered(origin, config.base, routes, slash)), ...(await Promise.all(content)).flat()];
  };
  return {
    name: 'coracle',
    hooks: {
      'astro:config:setup'({ updateConfig }: Integration) {
        updateConfig({ vite: { plugins: [place(() => `${slashed(config.base)}${settings.folder}/`, settings.attributes)], ssr: { noExternal: ['@coracle-search/coracle'] } } });
      },
      'astro:config:done'({ config: done }: { config: AstroConfig }) {
        config = done;
      },
      'astro:routes:resolved'({ routes: resolved }: { routes: Route[] }) {
        routes = resolved;
      },
      'astro:server:setup'({ server, logger }: { server: ViteServer; logger: Log }) {
        if (!settings.dev) return;
        index = new DevIndex({ base: config.base, urlStyle: isSlashed() ? 'directory' : 'clean', sources }, settings, logger);
        serveDev(server, index, fileURLToPath(config.outDir));
      },
      'astro:server:start'({ address }: { address: { address: string; family: string; port: number } }) {
        const host = address.family.endsWith('6') ? `[${address.address}]` : address.address;
        origin = `http://${host}:${address.port}`;
        index?.touch();
      },
      'astro:server:done'() {
        index?.close();
      },
      async 'astro:build:done'({ dir, logger }: { dir: URL; logger: Log }) {
        const urlStyle = config.trailingSlash === 'never' ? 'clean' : 'directory';
        await indexSite({ outDir: fileURLToPath(dir), base: config.base, urlStyle }, settings, logger);
      },
    },
  };
}

/** The pages of routes without parameters, as the development server renders them. */
async function rendered(origin: string | undefined, base: string, routes: Route[], slash: boolean): Promise<Source[]> {
  const pages = routes.filter(({ type, origin, pathname }) => type === 'page' && origin === 'project' && pathname && !/^\/(?:404|500)\/?$/.test(pathname));
  if (!origin) return [];
  const all = pages.map(async ({ pathname }): Promise<Source[]> => {
    const url = address(pathname!, slash);
    const response = await fetch(origin + address(slashed(base) + url, slash)).catch(() => undefined);
    return response?.ok ? [{ url: url.slice(1), html: await response.text() }] : [];
  });
  return (await Promise.all(all)).flat();
}

/** Tells the component where index and scripts are, and what its element's attributes are. */
function place(src: () => string, attributes: Record<string, string>): VitePlugin {
  const id = 'virtual:coracle/place';
  return {
    name: 'coracle-place',
    resolveId: (asked: string) => (asked === id ? `\0${id}` : undefined),
    load: (asked: string) => (asked === `\0${id}` ? `export const src = ${JSON.stringify(src())}; export const attributes = ${JSON.stringify(attributes)};` : undefined),
  };
}
