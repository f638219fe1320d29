// What a reader downloads before the first search stays within its budget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizes } from '../../www/build/sizes.mjs';

test('wasm_loader_and_widget_stay_within_125_kB_of_brotli', () => {
  const rows = sizes();
  assert.deepEqual(rows.map(({ artefact }) => artefact), ['wasm', 'loader', 'widget']);
  const total = rows.reduce((sum, { brotli }) => sum + brotli, 0);
  assert.ok(total <= 125_000, `${total} bytes: ${JSON.stringify(rows)}`);
});
