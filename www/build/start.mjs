// `npm start`: from a clean clone to a searchable site on this machine.
import { createServer } from 'node:net';
import { at, prepare, run } from './tools.mjs';

/** Whether nobody listens on this port of this machine. */
function isFree(port) {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });
}

await prepare();
await import('./build.mjs');
const { cli } = await import('./search.mjs');
let port = 8080;
while (!(await isFree(port))) port += 1;
await run(cli, ['serve', at('public'), '--port', String(port)]);
