/** The service under Deno: `deno run --allow-net --allow-read --allow-env worker/dist/deno.js`. */
import { address, handlerFromEnvironment } from './server.js';

interface Deno {
  serve(options: { hostname: string; port: number }, handle: (request: Request, info: { remoteAddr: { hostname?: string } }) => Promise<Response>): unknown;
}

const handle = await handlerFromEnvironment();
(globalThis as unknown as { Deno: Deno }).Deno.serve(address(), (request, { remoteAddr }) => handle(request, { client: remoteAddr.hostname }));
