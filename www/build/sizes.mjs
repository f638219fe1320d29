// `npm run sizes`: what a browser downloads, in bytes, into benches/record/sizes.json; and what is
// deployed as a worker.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { at } from './tools.mjs';

const artefacts = {
  wasm: 'www/dist/coracle_bg.wasm',
  loader: 'www/dist/coracle-worker.js',
  widget: 'www/dist/coracle-search.js',
};

/** What a page loads beside those, if it has the elements in them. */
const extras = {
  rest: 'www/dist/coracle_rest.wasm',
  ask: 'www/dist/coracle-ask.js',
  modal: 'www/dist/coracle-modal.js',
  parts: 'www/dist/coracle-parts.js',
  more: 'www/dist/coracle-more.js',
  // The longest of them.
  language: 'www/dist/languages/el.js',
  highlight: 'www/dist/coracle-highlight.js',
};

/** No browser loads these. */
const deployed = {
  service: 'worker/dist/coracle_service_bg.wasm',
  worker: 'worker/dist/index.js',
};

export const sizes = () => measured(artefacts);
export const extraSizes = () => measured(extras);
export const deployedSizes = () => measured(deployed);

function measured(files) {
  return Object.entries(files).map(([artefact, file]) => {
    const bytes = readFileSync(at(file));
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
    return {
      artefact,
      raw: bytes.length,
      gzip: gzipSync(bytes, { level: 9 }).length,
      brotli: brotliCompressSync(bytes, quality).length,
    };
  });
}

/** Prints rows and their sum. */
export function print(rows) {
  const total = { artefact: 'in all' };
  for (const unit of ['raw', 'gzip', 'brotli']) total[unit] = rows.reduce((sum, row) => sum + row[unit], 0);
  for (const row of [...rows, total]) {
    const cells = ['raw', 'gzip', 'brotli'].map((unit) => `${String(row[unit]).padStart(8)} ${unit}`);
    console.log(row.artefact.padEnd(8), ...cells);
  }
}

if (process.argv[1] && basename(process.argv[1]) === 'sizes.mjs') {
  const rows = sizes();
  print(rows);
  print(extraSizes());
  print(deployedSizes());
  mkdirSync(at('benches/record'), { recursive: true });
  writeFileSync(at('benches/record/sizes.json'), `${JSON.stringify(rows, null, 2)}\n`);
}
