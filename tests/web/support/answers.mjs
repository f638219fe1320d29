// Asks an index every query of the list, in whatever runtime runs this file, and prints the answers.
// usage: <runtime> answers.mjs <index> <queries.json> [<options as JSON>]
import { readFile } from 'node:fs/promises';
import { open } from '@coracle-search/coracle';

export async function answers(index, queries, options) {
  const out = [];
  for (const query of queries) {
    const { hits, total } = await index.search(query, options);
    out.push({ query, total, hits: hits.map(({ id, chunk, score }) => [id, chunk, score]) });
  }
  return out;
}

const [place, list, options = '{}'] = process.argv.slice(2);
if (list) {
  const index = await open(place);
  const queries = JSON.parse(await readFile(list, 'utf8'));
  console.log(JSON.stringify(await answers(index, queries, JSON.parse(options))));
  index.close();
}
