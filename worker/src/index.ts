/** The service on Cloudflare Workers. Its settings are the `[vars]` and secrets of wrangler.toml. */
import module from '../pkg/coracle_service_bg.wasm';
import { createHandler, failed, type Handler, type HandlerOptions } from './handler.js';
import { MOST_SUBREQUESTS } from './limits.js';
import { assetsSource, bucketSource } from './sources.js';

export interface Env {
  /** `assets`, `r2`, or the URL of a folder on any HTTP server. */
  INDEX_FROM: string;
  /** Folder of the index among the assets or in the bucket, ending in a slash; may be empty. */
  INDEX_PREFIX?: string;
  /** Public key of who must have signed the index; without it, signatures are not looked at. */
  PUBLIC_KEY?: string;
  INDEX?: R2Bucket;
  ASSETS?: Fetcher;
  /** Counts what clients ask for, across a whole place of Cloudflare's. */
  RATE_LIMITER?: RateLimit;
  /** Subrequests that one request may send; default 45, as the free plan allows 50. */
  MAX_SUBREQUESTS?: string;
  /** All other settings, and models under any name. */
  [name: string]: unknown;
}

function indexOf({ INDEX_FROM: from, INDEX_PREFIX: prefix = '', INDEX: bucket, ASSETS: assets }: Env): HandlerOptions['index'] {
  if (/^https?:/.test(from)) return from;
  if (from === 'r2' && bucket) return bucketSource(bucket, prefix);
  if (from === 'assets' && assets) return assetsSource(assets, prefix);
  const missing = from === 'r2' ? 'binding INDEX' : from === 'assets' ? 'binding ASSETS' : 'INDEX_FROM = "assets" | "r2" | URL';
  throw new Error(`wrangler.toml lacks ${missing}`);
}

/** One per isolate: the index stays open from request to request. */
let handler: Handler | undefined;

export default {
  async fetch(request, env, context) {
    try {
      handler ??= createHandler({
        module,
        index: indexOf(env),
        publicKey: env.PUBLIC_KEY,
        variables: env,
        bindings: env,
        limiter: env.RATE_LIMITER,
        subrequests: Number(env.MAX_SUBREQUESTS) || MOST_SUBREQUESTS,
      });
    } catch (thrown) {
      // A setting is of no use: the log says which.
      console.error(thrown);
      return failed();
    }
    const client = request.headers.get('cf-connecting-ip') ?? undefined;
    return handler(request as unknown as Request, { client, waitUntil: (work) => context.waitUntil(work) });
  },
} satisfies ExportedHandler<Env>;
