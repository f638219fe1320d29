/** The service under Node: `node worker/dist/node.js`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { address, handlerFromEnvironment, type Handler } from './server.js';

/** Puts a handler behind `node:http`. */
export function listener(handle: Handler) {
  return async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    try {
      const response = await handle(toRequest(incoming, gone.signal), { client: incoming.socket.remoteAddress });
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      if (!response.body) outgoing.end();
      else await pipeline(Readable.fromWeb(response.body as unknown as NodeStream), outgoing);
    } catch {
      // The client is gone, or sent no request that can be answered.
      if (!outgoing.headersSent && !outgoing.destroyed) outgoing.writeHead(400).end();
      else outgoing.destroy();
    }
  };
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', url = '/', rawHeaders, headers } = incoming;
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at]!, rawHeaders[at + 1]!]);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const body = hasBody ? (Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>) : null;
  return new Request(new URL(url, `http://${headers.host ?? 'localhost'}`), { method, headers: pairs, body, signal, duplex: 'half' } as RequestInit);
}

const handle = await handlerFromEnvironment();
const { hostname, port } = address();
const server = createServer(listener(handle));
server.listen(port, hostname, () => {
  const { port } = server.address() as AddressInfo;
  console.error(`listening on http://${hostname}:${port}`);
});
// Lets what is under way end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => server.close());
