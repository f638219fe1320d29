import coracle from '@coracle-search/coracle/vitepress';
import { defineConfig } from 'vitepress';

export default defineConfig({
  title: 'Harbour',
  base: '/manual/',
  cleanUrls: true,
  vite: { plugins: [coracle({ embedder: 'none' })] },
});
