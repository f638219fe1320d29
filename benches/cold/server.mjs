// A static host with a slow line: HTTP/2, byte ranges, compressed text, a delay before every answer, a
// limited rate that all answers share, and a record of what went over the wire.
import { createSecureServer } from 'node:http2';
import { readFileSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, constants } from 'node:zlib';
import selfsigned from 'selfsigned';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Bytes that are sent before the line is given to another answer. */
const SLICE = 8 << 10;

/** What Chromium's DevTools call "Slow 4G": time to the first byte, and the rate. */
export const SLOW_4G = { latencyMs: 562.5, bytesPerSecond: 180_000 };

/** A line that costs no time to speak of. */
export const FAST = { latencyMs: 0, bytesPerSecond: Infinity };

/**
 * @typedef {object} Answer
 * @property {string} path
 * @property {number} bytes the body as it was sent
 * @property {number} start when it was asked for, in milliseconds
 * @property {number} end when its last byte was handed over
 */

/**
 * Serves `mounts` (path prefix → folder) and `pages` (path → text) on a free port of the loopback.
 *
 * Files of a known text type and WebAssembly are sent with brotli, as hosts of static files do; all
 * others as they are.
 */
export async function serve({ mounts, pages }) {
  let line = FAST;
  let free = 0;
  let answers = [];
  const bodies = new Map();

  function find(path) {
    if (bodies.has(path)) return bodies.get(path);
    const body = pages[path] !== undefined ? Buffer.from(pages[path]) : read(path);
    const squeezed = body && extname(path) in TYPES && brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
    const found = body && { body, squeezed };
    bodies.set(path, found);
    return found;
  }

  function read(path) {
    for (const [prefix, folder] of Object.entries(mounts)) {
      const file = normalize(join(folder, decodeURIComponent(path.slice(prefix.length))));
      const inside = path.startsWith(prefix) && file.startsWith(normalize(folder));
      if (inside && statSync(file, { throwIfNoEntry: false })?.isFile()) return readFileSync(file);
    }
    return undefined;
  }

  /** Waits for the line's next slice of `bytes`. */
  async function turn({ bytesPerSecond }, bytes) {
    if (bytesPerSecond === Infinity) return;
    const now = performance.now();
    free = Math.max(now, free) + (bytes / bytesPerSecond) * 1000;
    await sleep(free - now);
  }

  const { private: key, cert } = await selfsigned.generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
  const server = createSecureServer({ key, cert }, async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const answer = { path, bytes: 0, start: performance.now(), end: 0 };
    answers.push(answer);
    const here = line;
    await sleep(here.latencyMs);
    const found = find(path);
    const head = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'accept-ranges': 'bytes' };
    const range = found && /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    let body = found?.body ?? Buffer.alloc(0);
    let status = found ? 200 : 404;
    if (range) {
      const end = Math.min(Number(range[2]), body.length - 1);
      head['content-range'] = `bytes ${range[1]}-${end}/${body.length}`;
      body = body.subarray(Number(range[1]), end + 1);
      status = 206;
    } else if (found?.squeezed && /\bbr\b/.test(request.headers['accept-encoding'] ?? '')) {
      head['content-encoding'] = 'br';
      body = found.squeezed;
    }
    head['content-length'] = body.length;
    response.writeHead(status, head);
    for (let at = 0; at < body.length; at += SLICE) {
      const slice = body.subarray(at, at + SLICE);
      await turn(here, slice.length);
      response.write(slice);
    }
    response.end(() => {
      answer.bytes = body.length;
      answer.end = performance.now();
      // The page itself is not counted, nor is what went before it: it is there without a search too.
      if (extname(path) === '.html') before = sent();
    });
  });
  const sessions = new Set();
  const sockets = new Set();
  let before = 0;
  // Of the connections as such: with heads, frames and encryption.
  const sent = () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0);
  server.on('connection', (socket) => sockets.add(socket));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `https://127.0.0.1:${server.address().port}`,
    /** Forgets what was answered, and is `line` from now on. */
    begin(next) {
      line = next;
      free = 0;
      answers = [];
      sockets.clear();
    },
    /** Is `line` from now on. */
    pace(next) {
      line = next;
    },
    /** Bytes sent since the page was, heads and encryption included. */
    wire: () => sent() - before,
    /** @returns {Answer[]} what was answered since `begin` */
    answers: () => answers,
    close() {
      for (const session of sessions) session.destroy();
      return new Promise((done) => server.close(done));
    },
  };
}

/**
 * Serial round trips: an answer that was asked for after another one had ended waited for it.
 *
 * @param {Answer[]} answers
 */
export function waves(answers) {
  const depth = new Map();
  for (const answer of [...answers].sort((a, b) => a.start - b.start)) {
    const before = answers.filter((other) => other.end > 0 && other.end <= answer.start && depth.has(other));
    depth.set(answer, 1 + Math.max(0, ...before.map((other) => depth.get(other))));
  }
  return Math.max(0, ...depth.values());
}
