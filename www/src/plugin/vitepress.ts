/** Plugin for VitePress: the search of the default theme's navigation. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DevIndex } from './dev.js';
import { settle, type ThemeOptions } from './options.js';
import { indexSite } from './site.js';
import { address, type Source } from './sources.js';
import { serveDev, viteLog } from './vite.js';
import type { ViteConfig, VitePlugin, ViteServer } from './vite-types.js';

export type { ThemeOptions } from './options.js';

/** As much of VitePress's configuration as is used. */
interface SiteConfig {
  srcDir: string;
  outDir: string;
  cleanUrls: boolean;
  pages: string[];
  rewrites: { map: Record<string, string | undefined> };
  site: { base: string };
  buildEnd?: (site: SiteConfig) => unknown;
}

/** Stands for the module of the theme's own search. */
const COMPONENT = '\0coracle/search';

/** ```js
 * // .vitepress/config.js
 * import { defineConfig } from 'vitepress';
 * import coracle from '@coracle-search/coracle/vitepress';
 * export default defineConfig({ vite: { plugins: [coracle()] } });
 * ```
 */
export default function coracle(options: ThemeOptions = {}): VitePlugin {
  const settings = settle(options);
  let config: ViteConfig;
  let site: SiteConfig;
  return {
    name: 'coracle',
    enforce: 'pre',
    configResolved(resolved: ViteConfig & { vitepress?: SiteConfig }) {
      config = resolved;
      if (!resolved.vitepress) throw new Error('@coracle-search/coracle/vitepress is for VitePress; for other sites there is @coracle-search/coracle/vite');
      // VitePress builds twice, for browsers and to render pages, with one configuration.
      if (site === resolved.vitepress) return;
      site = resolved.vitepress;
      const own = site.buildEnd;
      site.buildEnd = async (built) => {
        await own?.(built);
        await indexSite({ outDir: site.outDir, base: site.site.base, urlStyle: site.cleanUrls ? 'clean' : 'directory' }, settings, viteLog(config.logger));
      };
    },
    resolveId(id: string) {
      return id.endsWith('/VPNavBarSearch.vue') ? COMPONENT : undefined;
    },
    load(id: string) {
      return id === COMPONENT ? component(`${site.site.base}${settings.folder}/`, settings.attributes) : undefined;
    },
    configureServer(server: ViteServer) {
      if (!settings.dev) return;
      const index = new DevIndex({ base: site.site.base, sources: () => pages(site) }, settings, viteLog(config.logger));
      serveDev(server, index, site.outDir);
      index.touch();
    },
  };
}

async function pages({ srcDir, pages, rewrites, cleanUrls }: SiteConfig): Promise<Source[]> {
  // Pages of dynamic routes have no source of their own.
  const files = pages.filter((page) => existsSync(join(srcDir, page)));
  return Promise.all(
    files.map(async (page) => {
      const path = (rewrites.map[page] ?? page).replace(/\.md$/, '');
      const isIndex = /(?:^|\/)index$/.test(path);
      const url = isIndex ? address(path.slice(0, -'index'.length), true) : `/${path}${cleanUrls ? '' : '.html'}`;
      return { url, markdown: await readFile(join(srcDir, page), 'utf8'), isMdx: false };
    }),
  );
}

/** A component of Vue: the element, with the theme's colours, that goes to pages without loading them anew. */
function component(src: string, attributes: Record<string, string>): string {
  const style = {
    '--coracle-accent': 'var(--vp-c-brand-1)',
    '--coracle-surface': 'var(--vp-c-bg)',
    '--coracle-raised': 'var(--vp-c-bg-soft)',
    '--coracle-text': 'var(--vp-c-text-1)',
    '--coracle-muted': 'var(--vp-c-text-2)',
    '--coracle-border': 'var(--vp-c-divider)',
    margin: '0 auto 0 24px',
    // The navigation's lines do not break; excerpts do.
    'white-space': 'normal',
  };
  return `
import { h, onMounted } from 'vue';
import { useRouter } from 'vitepress';

const src = ${JSON.stringify(src)};

export default {
  name: 'CoracleSearch',
  setup() {
    const router = useRouter();
    onMounted(() => Promise.all(['search', 'modal'].map((name) => import(/* @vite-ignore */ \`\${src}coracle-\${name}.js\`))));
    const onClick = (event) => {
      const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
      if (!link || link.origin !== location.origin || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      router.go(link.pathname + link.search + link.hash);
    };
    const props = { src, ...${JSON.stringify(attributes)}, class: 'VPNavBarSearch', style: ${JSON.stringify(style)}, onClick };
    return () => h('coracle-modal', props);
  },
};
`;
}
