// A static host that breaks its promises, one at a time.
import { createServer } from 'node:http';
import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Every file of a folder, by name. */
export const filesOf = (folder) => new Map(readdirSync(folder).map((name) => [name, readFileSync(`${folder}/${name}`)]));

/**
 * What a host may do to a read of the body: each takes the answer that would be right, and gives it or
 * another one. `cut` ends the connection after the bytes, `hang` never ends it.
 */
export const faults = {
  'not found': () => ({ status: 404, body: 'not found' }),
  gone: () => ({ status: 410, body: 'gone' }),
  'server error': () => ({ status: 500, body: 'sorry' }),
  'reset in the body': (answer) => ({ ...answer, cut: answer.body.length >> 1 }),
  'truncated body': (answer) => ({ ...answer, body: answer.body.subarray(0, answer.body.length - 1) }),
  'another range': (answer, { file, start, end }) => {
    const at = start > 64 ? start - 64 : start + 64;
    return { ...answer, body: file.subarray(at, at + end - start) };
  },
  'gzip of the range': (answer) => ({
    ...answer,
    head: { ...answer.head, 'content-encoding': 'gzip' },
    body: gzipSync(answer.body),
  }),
  'the whole file': (answer, { file }) => ({ status: 200, head: {}, body: file }),
  'a page instead': () => ({ status: 200, head: { 'content-type': 'text/html' }, body: '<!doctype html><title>App</title>' }),
  'range not satisfiable': () => ({ status: 416, body: '' }),
  'slower than anyone waits': (answer) => ({ ...answer, hang: 8 }),
  'a flipped bit': (answer) => {
    const body = Buffer.from(answer.body);
    body[body.length >> 1] ^= 4;
    return { ...answer, body };
  },
};

/** An empty page, and the package's scripts for it. */
export const emptyPage = (site, ...scripts) =>
  new Map([
    ['/', { type: 'text/html', body: Buffer.from('<!doctype html><title>Empty</title><link rel="icon" href="data:,">') }],
    ...['coracle-search.js', 'coracle-worker.js', 'coracle_bg.wasm', ...scripts].map((name) => [
      `/coracle/${name}`,
      { type: name.endsWith('.wasm') ? 'application/wasm' : 'text/javascript', body: readFileSync(`${site}coracle/${name}`) },
    ]),
  ]);

/**
 * Serves an index at `/search/`, and other `pages` beside it.
 *
 * `fail(name, times)` breaks the next reads of the body; `swap(files)` puts another build in its place.
 */
export async function hostile(files, pages = new Map()) {
  let broken;
  let left = 0;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const name = pathname.replace(/^\/search\//, '');
    const file = name === pathname ? pages.get(pathname)?.body : files.get(name);
    const head = { 'access-control-allow-origin': '*', 'content-type': pages.get(pathname)?.type ?? 'application/octet-stream' };
    if (!file) return response.writeHead(404, head).end();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (!range) return response.writeHead(200, { ...head, 'content-length': file.length }).end(file);
    const [start, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, file.length)];
    let answer = {
      status: 206,
      head: { 'content-range': `bytes ${start}-${end - 1}/${file.length}` },
      body: file.subarray(start, end),
    };
    if (broken && left > 0) {
      left -= 1;
      answer = { head: {}, ...broken(answer, { file, start, end }) };
    }
    const { status, body, cut, hang } = answer;
    response.writeHead(status, { ...head, ...answer.head, 'content-length': body.length });
    if (hang) return response.write(body.subarray(0, hang));
    if (cut !== undefined) return response.write(body.subarray(0, cut), () => response.destroy());
    return response.end(body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    fail(name, times) {
      broken = faults[name];
      left = times;
    },
    swap(other) {
      files = other;
    },
    close: () => new Promise((done) => server.close(done) && server.closeAllConnections()),
  };
}
