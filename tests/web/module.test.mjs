// The search module in its parts: what its files hold, and what runs before all of them are there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { CoracleIndex, initSync, onNext, onRest } from '../../www/pkg/coracle.js';
import { at, guideIndex } from './support/project.mjs';

const file = readFileSync(at('www/dist/coracle_bg.wasm'));
const [end, start] = [16, 20].map((place) => file.readUInt32LE(place));

test('file_holds_what_a_search_begins_with_and_behind_it_what_it_goes_on_with', () => {
  const module = new WebAssembly.Module(file);
  const [next] = WebAssembly.Module.customSections(module, 'next');
  assert.ok(readFileSync(at('www/dist/coracle_next.wasm')).equals(Buffer.from(next)));
  assert.ok(file.subarray(start).equals(Buffer.from(next)));
  const first = new WebAssembly.Module(file.subarray(0, end));
  assert.deepEqual(WebAssembly.Module.imports(first), WebAssembly.Module.imports(module));
  const { length } = brotliCompressSync(file.subarray(0, end));
  assert.ok(length <= 48_500, `${length} bytes before the first reads`);
});

/** A task up to its end, or up to its first reads. */
async function run(task, isShort) {
  for (let answers = []; ; ) {
    const next = task.step(answers);
    if (!Array.isArray(next) || isShort) return next;
    answers = await Promise.all(next.map(async ([name, from, to]) => new Uint8Array(await readFile(guideIndex + name)).slice(from, to)));
  }
}

const searches = [
  {}, { mode: 'keyword' }, { mode: 'vector' }, { exact: true }, { prefix: false }, { explain: true, sections: 2, group: 'chunk' },
  { filter: { section: { in: ['guide', 'reference'] } }, facets: ['section'] }, { vector: new Float32Array(384).fill(1) },
];

test('every_first_step_ends_in_reads_or_a_refusal_before_the_next_part_is_there', async () => {
  initSync({ module: file });
  onRest(() => new WebAssembly.Module(readFileSync(at('www/dist/coracle_rest.wasm'))));
  const index = await run(CoracleIndex.open());
  const waiting = [];
  for (const query of ['keyboard', 'how do I sign an index?', '"exact words" plan9 naïve', '???', '']) {
    for (const options of searches) {
      // The first one asks for bytes, the others may wait for it.
      const task = index.search(query, options);
      assert.ok(Array.isArray(await run(task, true)), JSON.stringify([query, options]));
      waiting.push(task);
    }
  }
  for (const options of [{ limit: 0 }, { filter: { section: { near: 1 } } }, { mode: 'fuzzy' }]) {
    const task = index.search('keyboard', options);
    await assert.rejects(() => run(task, true), ({ code }) => typeof code === 'string', JSON.stringify(options));
    task.free();
  }
  for (const task of waiting) task.free();
  onNext(new WebAssembly.Module(readFileSync(at('www/dist/coracle_next.wasm'))));
  for (const options of searches) assert.ok((await run(index.search('keyboard', options))).hits.length > 0, JSON.stringify(options));
  index.free();
});
