// What a reader downloads before the first search stays within its budget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizes } from '../../www/build/sizes.mjs';

/** Bytes after brotli. */
const budget = { wasm: 111_500, loader: 8_000, widget: 8_000 };

for (const { artefact, brotli } of sizes()) {
  test(`${artefact}_stays_within_its_budget_of_brotli`, () => {
    assert.ok(brotli <= budget[artefact], `${brotli} bytes, ${budget[artefact]} are allowed`);
  });
}
