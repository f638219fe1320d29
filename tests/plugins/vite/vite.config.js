import { defineConfig } from 'vite';
import coracle from '@coracle-search/coracle/vite';

export default defineConfig({
  plugins: [coracle({ embedder: 'none', content: { '/notes/': 'content' } })],
  build: { rolldownOptions: { input: ['index.html', 'moorings/index.html'] } },
});
