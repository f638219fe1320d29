import starlight from '@astrojs/starlight';
import { starlightCoracle } from '@coracle-search/coracle/astro';
import { defineConfig } from 'astro/config';

export default defineConfig({
  telemetry: false,
  devToolbar: { enabled: false },
  integrations: [starlight({ title: 'Harbour', plugins: [starlightCoracle()] })],
});
