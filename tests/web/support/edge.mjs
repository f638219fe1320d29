// The worker in workerd, with the guide's index where a deployment may have it.
import { readdirSync, readFileSync } from 'node:fs';
import { Log, LogLevel, Miniflare, Response } from 'miniflare';
import { at, deployed, guideIndex } from './project.mjs';
import { serve } from './server.mjs';

/**
 * Starts the built worker.
 *
 * @param from `assets`: the files deployed with it, which know no ranges; `r2`: a bucket; `http`: a
 *   server of its own; or a URL
 * @param index what lies in the bucket or on the server
 * @param settings further variables of the worker
 * @param bindings further settings of the host
 */
export async function startWorker(from, index = guideIndex, settings = {}, bindings = {}) {
  const asked = [];
  const lines = [];
  const server = from === 'http' ? await serve({ mounts: { '/search/': index } }) : undefined;
  const flare = new Miniflare({
    modules: [
      { type: 'ESModule', path: at('worker/dist/index.js') },
      { type: 'CompiledWasm', path: at('worker/dist/coracle_service_bg.wasm') },
    ],
    modulesRoot: at('worker/dist'),
    compatibilityDate: '2026-03-01',
    compatibilityFlags: ['enable_request_signal'],
    cf: false,
    log: new Log(LogLevel.ERROR),
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) stream.setEncoding('utf8').on('data', (text) => lines.push(text));
    },
    r2Buckets: ['INDEX'],
    // Tests ask more than a reader does.
    bindings: { INDEX_FROM: server ? `${server.url}/search/` : from, INDEX_PREFIX: 'search/', RATE_LIMIT: '0', ...settings },
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
    ...bindings,
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
    /** Its address, for clients that open connections. */
    url: (await flare.ready).origin,
    /** What it printed. */
    log: () => lines.join(''),
    get,
    post: (body) => get('/search', { method: 'POST', body: JSON.stringify(body) }),
    bucket: () => flare.getR2Bucket('INDEX'),
    async stop() {
      await flare.dispose();
      await server?.close();
    },
  };
}
