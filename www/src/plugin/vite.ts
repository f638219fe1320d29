/** Plugin for Vite: pages of HTML, indexed when they are built and while they are served for development. */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { assetNames } from './assets.js';
import { DevIndex } from './dev.js';
import { settle, slashed, type ContentOptions, type Log, type PluginOptions } from './options.js';
import { indexSite } from './site.js';
import { contentOf, isSource, type Source } from './sources.js';
import type { VitePlugin, ViteConfig, ViteLogger, ViteServer } from './vite-types.js';

export type { PluginOptions } from './options.js';

export interface ViteOptions extends PluginOptions, ContentOptions {
  /** Elements whose scripts every page loads, such as `['search']`; default: those in its HTML. */
  elements?: string[] | undefined;
}

/** Scripts of elements that do not stand alone, or not in a script of their name. */
const scripts: Record<string, string[]> = {
  modal: ['search', 'modal'],
  results: ['search', 'parts'],
  facets: ['search', 'parts'],
  config: ['search', 'parts'],
};

/** ```js
 * // vite.config.js
 * import coracle from '@coracle-search/coracle/vite';
 * export default { plugins: [coracle()] };
 * ```
 *
 * and on a page `<coracle-search src="/coracle/"></coracle-search>`; the script comes by itself.
 */
export default function coracle({ elements, ...options }: ViteOptions = {}): VitePlugin {
  const settings = settle(options);
  let config: ViteConfig;
  let isWritten = false;
  const outDir = () => resolve(config.root, config.build.outDir);
  return {
    name: 'coracle',
    configResolved(resolved: ViteConfig) {
      config = resolved;
    },
    transformIndexHtml: {
      // Bundling is over: the scripts are put beside the index, as they are.
      order: 'post',
      async handler(html: string) {
        const named = elements ?? [...html.matchAll(/<coracle-(\w+)/g)].map(([, name]) => name!);
        const wanted = new Set(named.flatMap((name) => scripts[name] ?? [name]));
        const there = new Set(await assetNames());
        const files = [...wanted].map((name) => `coracle-${name}.js`).filter((file) => there.has(file));
        return files.map((file) => ({
          tag: 'script',
          attrs: { type: 'module', src: `${slashed(config.base)}${settings.folder}/${file}` },
          injectTo: 'head',
        }));
      },
    },
    configureServer(server: ViteServer) {
      if (!settings.dev) return;
      const log = viteLog(config.logger);
      const { root, publicDir } = config;
      const notPages = [outDir(), publicDir].filter(Boolean).map((folder) => `/${relative(root, folder).replaceAll('\\', '/')}/`);
      const sources = async (): Promise<Source[]> => [
        { folder: root, exclude: [...notPages, 'node_modules/', ...settings.exclude] },
        // Its pages are served without its name in their addresses.
        ...(existsSync(publicDir) ? [{ folder: publicDir, exclude: settings.exclude }] : []),
        ...(await contentOf(settings.content, root, { slash: true })),
      ];
      const index = new DevIndex({ base: config.base, sources }, settings, log);
      serveDev(server, index, outDir());
      index.touch();
    },
    writeBundle() {
      // What is rendered for a server is no site.
      isWritten = !config.build.ssr;
    },
    closeBundle: {
      // Other plugins write their pages here.
      order: 'post',
      sequential: true,
      async handler() {
        if (!isWritten) return;
        isWritten = false;
        await indexSite({ outDir: outDir(), base: config.base }, settings, viteLog(config.logger));
      },
    },
  };
}

export function viteLog(logger: ViteLogger): Log {
  return {
    info: (text) => logger.info(`[coracle] ${text}`, { timestamp: true }),
    warn: (text) => logger.warn(`[coracle] ${text}`, { timestamp: true }),
  };
}

/** Serves an index, which follows what Vite sees change. */
export function serveDev(server: ViteServer, index: DevIndex, outDir?: string): void {
  server.middlewares.use(index.handle);
  server.httpServer?.once('close', () => index.close());
  server.watcher.on('all', (_event, file) => {
    if (isSource(file) && !(outDir && file.startsWith(outDir))) index.touch();
  });
}
