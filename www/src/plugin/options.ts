/** What every plugin can be told. */
import type { BuildFlags } from '../build/index.js';

export interface PluginOptions extends Omit<BuildFlags, 'baseUrl' | 'urlStyle' | 'layout'> {
  /** Folder of the site that gets the elements' scripts and the index; default `coracle`. */
  folder?: string | undefined;
  /** Pages to leave out, as in `.gitignore`. `404.html` always is. */
  exclude?: string | string[] | undefined;
  /** Whether the development server answers searches; default `true`. */
  dev?: boolean | undefined;
  /** How the finished index is laid out: `split` for hosts that ignore byte ranges; default `range`. */
  layout?: 'range' | 'split' | undefined;
}

/** Plugins of generators that do not know by themselves which sources become pages. */
export interface ContentOptions {
  /**
   * Folders of Markdown, MDX or HTML that the development server's index takes too, by the address that
   * their pages are below: `{ '/blog/': 'src/content/blog' }`. The finished site is indexed as it is.
   */
  content?: Record<string, string> | undefined;
}

/** Plugins that put the search into a theme's navigation. */
export interface ThemeOptions extends PluginOptions {
  /** Attributes of `<coracle-modal>`, such as `{ placeholder: 'Search the docs' }`. */
  attributes?: Record<string, string> | undefined;
}

export interface Settings {
  folder: string;
  exclude: string[];
  dev: boolean;
  content: Record<string, string>;
  attributes: Record<string, string>;
  /** What is left is the build's. */
  flags: BuildFlags;
}

export function settle(options: ThemeOptions & ContentOptions): Settings {
  const { folder = 'coracle', exclude = [], dev = true, content = {}, attributes = {}, ...flags } = options;
  return { folder: folder.replace(/^\/+|\/+$/g, ''), exclude: [exclude].flat(), dev, content, attributes, flags };
}

/** Where a plugin says what it does. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
}

/** A path below which a site is: with a slash at both ends. */
export function slashed(base: string): string {
  const path = /^https?:/.test(base) ? new URL(base).pathname : base;
  // Relative bases are for sites that do not know where they will be; an index has to.
  return path.startsWith('/') ? path.replace(/\/*$/, '/') : '/';
}
