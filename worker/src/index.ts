/** The endpoint on Cloudflare Workers. Its settings are the `[vars]` of wrangler.toml. */
import { open, type Index } from '@coracle-search/coracle';
import { createHandler, type Handler } from './handler.js';
import { assetsSource, bucketSource } from './sources.js';

export interface Env {
  /** `assets`, `r2`, or the URL of a folder on any HTTP server. */
  INDEX_FROM: string;
  /** Folder of the index among the assets or in the bucket, ending in a slash; may be empty. */
  INDEX_PREFIX?: string;
  /** Public key of who must have signed the index; without it, signatures are not looked at. */
  PUBLIC_KEY?: string;
  /** Origin that pages may call from; default: any. */
  ALLOW_ORIGIN?: string;
  /** Milliseconds after which a search is given up; default 10,000. */
  SEARCH_TIMEOUT_MS?: string;
  INDEX?: R2Bucket;
  ASSETS?: Fetcher;
}

function openIndex({ INDEX_FROM: from, INDEX_PREFIX: prefix = '', INDEX: bucket, ASSETS: assets, PUBLIC_KEY: publicKey }: Env): Promise<Index> {
  if (/^https?:/.test(from)) return open(from, { publicKey });
  if (from === 'r2' && bucket) return open(bucketSource(bucket, prefix), { publicKey });
  if (from === 'assets' && assets) return open(assetsSource(assets, prefix), { publicKey });
  const missing = from === 'r2' ? 'binding INDEX' : from === 'assets' ? 'binding ASSETS' : 'INDEX_FROM = "assets" | "r2" | URL';
  return Promise.reject(new Error(`wrangler.toml lacks ${missing}`));
}

/** One per isolate: the index stays open from request to request. */
let handler: Handler | undefined;

export default {
  fetch(request, env) {
    handler ??= createHandler({
      open: () => openIndex(env),
      origin: env.ALLOW_ORIGIN,
      timeout: env.SEARCH_TIMEOUT_MS ? Number(env.SEARCH_TIMEOUT_MS) : undefined,
      report: (thrown) => console.error(thrown),
    });
    return handler(request);
  },
} satisfies ExportedHandler<Env>;
