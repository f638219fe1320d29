// A peer behind an HTTP server, as its users would put it there: `node peers.mjs NAME DOCS-100K`. It
// prints its address when it is ready and answers `GET /search?q=…` with ten hits as JSON.
import { createServer } from 'node:http';
import { records } from './collection.mjs';

const [name, data] = process.argv.slice(2);

const engines = {
  async minisearch(documents) {
    const { default: MiniSearch } = await import('minisearch');
    const index = new MiniSearch({ fields: ['title', 'text'], storeFields: ['title', 'text'] });
    index.addAll(documents);
    return (query) => index.search(query).slice(0, 10);
  },
  async orama(documents) {
    const { create, insertMultiple, search } = await import('@orama/orama');
    const index = create({ schema: { title: 'string', text: 'string' } });
    await insertMultiple(index, documents, 500);
    return async (query) => (await search(index, { term: query, limit: 10 })).hits;
  },
};

const documents = [];
for await (const record of records(data)) documents.push(record);
const search = await engines[name](documents);
const server = createServer(async (request, response) => {
  const query = new URL(request.url, 'http://localhost').searchParams.get('q') ?? '';
  const body = JSON.stringify({ query, hits: await search(query) });
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(body);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
