// The service in every runtime that has an entry point of it, as a server with an address.
import { spawn } from 'node:child_process';
import { startWorker } from './edge.mjs';
import { at, guideIndex } from './project.mjs';

const commands = {
  node: [process.execPath, at('worker/dist/node.js')],
  deno: [at('node_modules/.bin/deno'), 'run', '--allow-net', '--allow-read', '--allow-env', at('worker/dist/deno.js')],
  bun: [at('node_modules/.bin/bun'), at('worker/dist/bun.js')],
};

export const runtimes = ['workerd', ...Object.keys(commands)];

/**
 * Starts the service on the guide's index.
 *
 * @returns its `url`, what it printed as `log()`, and `stop()`
 */
export async function start(runtime, settings = {}) {
  if (runtime === 'workerd') return startWorker('r2', guideIndex, settings);
  const [command, ...args] = commands[runtime];
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', INDEX_FROM: guideIndex, PORT: '0', RATE_LIMIT: '0', ...settings };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const url = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        printed += text;
        const [, url] = /listening on (http:\/\/[\w.:]+)/i.exec(printed) ?? [];
        if (url) resolve(url);
      });
    }
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${runtime} ended with ${code}: ${printed}`)));
  });
  return {
    url,
    log: () => printed,
    stop: () =>
      new Promise((done) => {
        if (child.exitCode !== null || child.signalCode !== null) return done();
        child.on('exit', done);
        return child.kill('SIGKILL');
      }),
  };
}
