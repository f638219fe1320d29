// A static server for tests: ranges, any extra header, and a record of what was asked.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** The policy under which the element promises to work. */
export const STRICT_POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "require-trusted-types-for 'script'";

/**
 * Serves folders and given pages on a free port.
 *
 * @param mounts path prefix → folder, longest prefix first
 * @param pages path → text of a page or script made up by a test
 */
export async function serve({ mounts = {}, pages = {}, headers = {} }) {
  const asked = [];
  let manner = {};
  // Every range of a large index must not read all of it again.
  const files = new Map();
  const kept = async (mounts, path) => files.get(path) ?? files.set(path, await find(mounts, path)).get(path);
  const server = createServer(async (request, response) => {
    const { gone = false, delay = 0 } = manner;
    if (delay > 0) await wait(delay);
    if (gone) return response.destroy();
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    asked.push({ path, range: request.headers.range });
    const body = pages[path] !== undefined ? Buffer.from(pages[path]) : await kept(mounts, path);
    const known = { 'content-type': types[extname(path)] ?? 'application/octet-stream', ...headers };
    if (!body) {
      response.writeHead(404, known).end();
    } else if (range) {
      const [start, end] = [Number(range[1]), Math.min(Number(range[2]), body.length - 1)];
      const part = { ...known, 'content-range': `bytes ${start}-${end}/${body.length}` };
      response.writeHead(206, part).end(body.subarray(start, end + 1));
    } else if (manner.halves?.path === path) {
      const { first, second } = manner.halves;
      response.writeHead(200, { ...known, 'content-length': body.length }).write(body.subarray(0, first));
      if (await second) response.end(body.subarray(first));
      else response.destroy();
    } else {
      response.writeHead(200, known).end(body);
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    /**
     * From now on: answers come after `delay` ms; while it is `gone`, connections end without one. The file of
     * `halves` comes up to its byte `first`, and the rest of it once `second` is true, not if it is false.
     */
    treat(how) {
      manner = how;
    },
    close: () => new Promise((done) => server.close(done) && server.closeAllConnections()),
  };
}

async function find(mounts, path) {
  for (const [prefix, folder] of Object.entries(mounts)) {
    if (!path.startsWith(prefix)) continue;
    const file = normalize(join(folder, decodeURIComponent(path.slice(prefix.length))));
    if (file.startsWith(normalize(folder))) return readFile(file).catch(() => undefined);
  }
  return undefined;
}
