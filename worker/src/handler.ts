/**
 * The search endpoint as one function from request to response. It knows no host: what it needs is
 * an opened index, so it runs wherever there is `fetch`.
 *
 * | request | answer |
 * |---|---|
 * | `GET /search?q=…` | the result of a search |
 * | `POST /search` with `{"q": "…", …}` | the same |
 * | `GET /health` | whether the index can be read, and what is in it |
 *
 * Errors are `{"error": {"code", "message"}}` with a fitting status.
 */
import type { Index, SearchResult } from '@coracle-search/coracle';
import { keep } from './kept.js';
import { Refusal, toRefusal } from './refusal.js';
import { defaultLimits, read, type Limits } from './request.js';

export interface HandlerOptions {
  /** Opens the index. Called until it succeeds; the index is then kept, and opened anew when replaced. */
  open(): Promise<Index>;
  /** Value of `access-control-allow-origin`; default `*`, since answers hold nothing secret. */
  origin?: string;
  /** Seconds for which an answer may be reused; default 300. */
  maxAge?: number;
  /** Seconds after which a newer build of the index is looked for; default 300. */
  refresh?: number;
  /** Milliseconds after which a search is given up; default 10,000. */
  timeout?: number;
  limits?: Partial<Limits>;
  /** Is told what clients are not: the cause of a 5xx. */
  report?(thrown: unknown): void;
}

export type Handler = (request: Request) => Promise<Response>;

export function createHandler(settings: HandlerOptions): Handler {
  const limits = { ...defaultLimits, ...settings.limits };
  const { origin = '*', maxAge = 300, refresh = 300, timeout = 10_000, report = () => undefined } = settings;
  const index = keep(() => settings.open(), refresh * 1000, report);

  async function search(request: Request): Promise<Response> {
    allow(request, 'GET', 'HEAD', 'POST');
    const { query, options, text } = await read(request, limits);
    const ask = async (opened: Index) => plain(await opened.search(query, { ...options, timeout, signal: request.signal }), text);
    const result = await index.use(ask);
    return answer(200, result, {
      'cache-control': request.method === 'POST' ? 'no-store' : `public, max-age=${maxAge}`,
      ...(result.degraded && { 'coracle-degraded': result.degraded }),
    });
  }

  async function health(request: Request): Promise<Response> {
    allow(request, 'GET', 'HEAD');
    const info = await index.use(async (opened) => opened.info);
    return answer(200, { status: 'ok', index: info }, { 'cache-control': 'no-store' });
  }

  function answer(status: number, body: unknown, headers: Record<string, string>): Response {
    return new Response(body === undefined ? null : JSON.stringify(body), {
      status,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json; charset=utf-8' }),
        'x-content-type-options': 'nosniff',
        'access-control-allow-origin': origin,
        ...(origin !== '*' && { vary: 'origin' }),
        'access-control-expose-headers': 'coracle-degraded',
        ...headers,
      },
    });
  }

  return async (request) => {
    const { pathname } = new URL(request.url);
    try {
      if (pathname !== '/search' && pathname !== '/health') {
        throw new Refusal(404, 'not-found', `there is no ${pathname} here; ask /search or /health`);
      }
      if (request.method === 'OPTIONS') return answer(204, undefined, preflight);
      return pathname === '/search' ? await search(request) : await health(request);
    } catch (thrown) {
      const { status, code, message } = toRefusal(thrown);
      if (status >= 500) report(thrown);
      const headers: Record<string, string> = { 'cache-control': 'no-store' };
      if (status === 405) headers.allow = 'GET, HEAD, POST, OPTIONS';
      if (status === 503) headers['retry-after'] = '5';
      return answer(status, { error: { code, message } }, headers);
    }
  };
}

const preflight = {
  'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
  'access-control-allow-headers': 'content-type',
  'access-control-max-age': '86400',
};

function allow(request: Request, ...methods: string[]): void {
  if (methods.includes(request.method)) return;
  throw new Refusal(405, 'method-not-allowed', `${request.method} is not answered here; use ${methods.join(' or ')}`);
}

/** The result as JSON: hits without their functions, with their texts where asked for. */
async function plain(result: SearchResult, text: boolean) {
  const hits = result.hits.map(async (hit) => (text ? { ...hit, text: await hit.text() } : hit));
  return { ...result, hits: await Promise.all(hits) };
}
