// The worker in workerd, with the guide's index where a deployment may have it.
import { readdirSync, readFileSync } from 'node:fs';
import { Miniflare, Response } from 'miniflare';
import { at, deployed, guideIndex } from './project.mjs';
import { serve } from './server.mjs';

/**
 * Starts the built worker.
 *
 * @param from `assets`: the files deployed with it, which know no ranges; `r2`: a bucket; `http`: a
 *   server of its own; or a URL
 * @param index what lies in the bucket or on the server
 * @param settings further variables of the worker
 */
export async function startWorker(from, index = guideIndex, settings = {}) {
  const asked = [];
  const server = from === 'http' ? await serve({ mounts: { '/search/': index } }) : undefined;
  const flare = new Miniflare({
    modules: [
      { type: 'ESModule', path: at('worker/dist/index.js') },
      { type: 'CompiledWasm', path: at('worker/dist/coracle_bg.wasm') },
    ],
    modulesRoot: at('worker/dist'),
    compatibilityDate: '2026-03-01',
    cf: false,
    r2Buckets: ['INDEX'],
    bindings: { INDEX_FROM: server ? `${server.url}/search/` : from, INDEX_PREFIX: 'search/', ...settings },
    serviceBindings: {
      ASSETS(request) {
        const { pathname } = new URL(request.url);
        asked.push(pathname);
        try {
          return new Response(readFileSync(deployed + pathname.slice(1)));
        } catch {
          return new Response('not found', { status: 404 });
        }
      },
    },
  });
  if (from === 'r2') {
    const bucket = await flare.getR2Bucket('INDEX');
    for (const file of readdirSync(index)) {
      await bucket.put(`search/${file}`, new Uint8Array(readFileSync(index + file)));
    }
  }
  const get = (path, init) => flare.dispatchFetch(`https://worker.test${path}`, init);
  return {
    asked: server?.asked ?? asked,
    get,
    post: (body) => get('/search', { method: 'POST', body: JSON.stringify(body) }),
    bucket: () => flare.getR2Bucket('INDEX'),
    async stop() {
      await flare.dispose();
      await server?.close();
    },
  };
}
