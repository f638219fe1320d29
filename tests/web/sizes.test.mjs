// What a reader downloads before the first search stays within its budget, and what is deployed as a
// worker within its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployedSizes, extraSizes, sizes } from '../../www/build/sizes.mjs';

/** Bytes after brotli. A worker's module is read once for each isolate that starts. */
const budget = { wasm: 98_300, rest: 25_100, loader: 8_000, widget: 9_000, ask: 12_000, modal: 3_700, parts: 6_500, more: 2_500, language: 2_500, highlight: 1_500, service: 338_500, worker: 16_000 };

for (const { artefact, brotli } of [...sizes(), ...extraSizes(), ...deployedSizes()]) {
  test(`${artefact}_stays_within_its_budget_of_brotli`, () => {
    assert.ok(brotli <= budget[artefact], `${brotli} bytes, ${budget[artefact]} are allowed`);
  });
}
