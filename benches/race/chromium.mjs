// A WASI program in a page of headless Chromium.
import { once } from 'node:events';
import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { delimiter, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser to use: `$CHROMIUM`, else one on the path, else undefined. */
export function findChromium(env = process.env) {
  if (env.CHROMIUM) return env.CHROMIUM;
  const places = (env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Pages isolated like this have a clock of 5 µs; others one of 100 µs. */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-store',
};
const TYPES = { '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves an empty page at `/` and the files of `routes`, URL to path, on a free port of loopback. */
async function serve(routes) {
  const server = createServer((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, { ...ISOLATION, 'Content-Type': 'text/html' }).end('<!doctype html><title>race</title>');
      return;
    }
    const path = routes.get(request.url);
    if (path === undefined) {
      response.writeHead(404, ISOLATION).end();
      return;
    }
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(200, { ...ISOLATION, 'Content-Type': type, 'Content-Length': statSync(path).size });
    createReadStream(path).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/**
 * Runs `wasm` in a worker of a fresh page and returns the lines it prints; its standard error is shown.
 *
 * @param {object} job
 * @param {string} job.executable Chromium
 * @param {string} job.wasm a WASI command
 * @param {Record<string, { path: string, names: string[] }>} job.folders what it finds where, read into memory
 * @param {string[]} job.args its arguments
 */
export async function searchInChromium({ executable, wasm, folders, args }) {
  const shim = dirname(fileURLToPath(import.meta.resolve('@bjorn3/browser_wasi_shim')));
  const routes = new Map([['/worker.mjs', fileURLToPath(new URL('worker.mjs', import.meta.url))], ['/program.wasm', wasm]]);
  for (const name of ['index', 'wasi', 'wasi_defs', 'fd', 'fs_mem', 'fs_opfs', 'strace', 'debug']) {
    routes.set(`/shim/${name}.js`, join(shim, `${name}.js`));
  }
  for (const [guest, { path, names }] of Object.entries(folders)) {
    for (const name of names) routes.set(`${guest}/${name}`, join(path, name));
  }
  const server = await serve(routes);
  const browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage();
    const lines = [];
    await page.exposeFunction('print', (stream, line) => (stream === 'out' ? lines.push(line) : console.error(line)));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const contents = Object.fromEntries(Object.entries(folders).map(([guest, { names }]) => [guest, names]));
    const code = await page.evaluate(runInWorker, { args, folders: contents });
    if (code !== 0) throw new Error(`the program in Chromium ended with ${code}`);
    return lines;
  } finally {
    await browser.close();
    server.close();
  }
}

/** Runs in the page: gives the job to a worker and waits for its end. */
function runInWorker(job) {
  return new Promise((resolve, reject) => {
    if (!crossOriginIsolated) throw new Error('the page is not isolated: its clock would be too coarse');
    const worker = new Worker('/worker.mjs', { type: 'module' });
    const printed = [];
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data.line !== undefined) printed.push(window.print(data.stream, data.line));
      else if (data.error) reject(new Error(data.error));
      else Promise.all(printed).then(() => resolve(data.code), reject);
    };
    worker.postMessage(job);
  });
}
