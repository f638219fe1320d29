// docs-100k as JSON lines with their vectors, as `coracle build --embedder provided` reads them, and as
// documents for peers.
import { createReadStream, createWriteStream, existsSync, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';

/** Components of the vectors. */
const DIM = 384;

/** Records of the collection: `{id, title, text}`. */
export async function* records(data) {
  const lines = createInterface({ input: createReadStream(join(data, 'docs.jsonl.gz')).pipe(createGunzip()), crlfDelay: Infinity });
  for await (const line of lines) {
    const { id, title, text } = JSON.parse(line);
    yield { id, title, text };
  }
}

export const queries = (data) => JSON.parse(readFileSync(join(data, 'queries.json'), 'utf8'));

/** A number of 16 bits (IEEE 754 binary16). */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Writes the records with their vectors, unless that was done before. */
export async function writeRecords(data, path) {
  if (existsSync(path)) return;
  const file = openSync(join(data, 'base.f16.npy'));
  const row = Buffer.alloc(2 * DIM);
  // The header's length stands after magic and version (NumPy's format, version 1).
  readSync(file, row, 0, 10, 0);
  let at = 10 + row.readUInt16LE(8);
  const out = createWriteStream(`${path}.unfinished`);
  for await (const { id, title, text } of records(data)) {
    readSync(file, row, 0, row.length, at);
    at += row.length;
    const vector = Array.from({ length: DIM }, (_, n) => Number(half(row.readUInt16LE(2 * n)).toPrecision(5)));
    if (!out.write(`${JSON.stringify({ id, title, url: `/${id}`, text, vector })}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  renameSync(`${path}.unfinished`, path);
}
