// Compiled, never run: configurations as they are written in TypeScript.
import coracle, { type ViteOptions } from '@coracle-search/coracle/vite';
import astro, { starlightCoracle, type ThemeOptions } from '@coracle-search/coracle/astro';
import vitepress from '@coracle-search/coracle/vitepress';
import docusaurus from '@coracle-search/coracle/docusaurus';
import { defineConfig } from 'vite';
import { defineConfig as defineSite } from 'vitepress';

const options: ViteOptions = { folder: 'search', language: 'de', embedder: 'none', content: { '/notes/': 'notes' } };
export const pages = defineConfig({ plugins: [coracle(options)] });
export const site = defineSite({ vite: { plugins: [vitepress({ attributes: { placeholder: 'Search' } })] } });

const theme: ThemeOptions = { exclude: '/drafts/' };
export const others = [astro(theme), starlightCoracle(theme), docusaurus];

// @ts-expect-error there is no such option
coracle({ nonsense: true });
// @ts-expect-error VitePress knows its pages
vitepress({ content: { '/notes/': 'notes' } });
