/** The service under Bun: `bun worker/dist/bun.js`. */
import { address, handlerFromEnvironment } from './server.js';

interface Server {
  requestIP(request: Request): { address: string } | null;
  url: URL;
}

interface Bun {
  serve(options: { hostname: string; port: number; idleTimeout: number; fetch(request: Request, server: Server): Promise<Response> }): Server;
}

const handle = await handlerFromEnvironment();
const { url } = (globalThis as unknown as { Bun: Bun }).Bun.serve({
  ...address(),
  // Models may think longer than Bun's ten seconds before they say something.
  idleTimeout: 120,
  fetch: (request, server) => handle(request, { client: server.requestIP(request)?.address }),
});
console.error(`listening on ${url}`);
