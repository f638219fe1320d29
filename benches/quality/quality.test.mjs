// Tables and pictures of what lazy searches find.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curve, growing, growthTable, judgedTable, vectorTable } from './report.mjs';

const lines = (table) => table.split('\n').filter((line) => line.startsWith('|'));

test('vectors_have_a_line_for_every_budget_and_two_curves', () => {
  const row = { chunks: 1000, cell_bytes: 32_000, recall_at_10: 0.8, recall_at_10_all_dims: 0.7, mean_bytes: 45_500, p95_bytes: 50_000, router_bytes: 4000, cells_bytes: 36_000, rows_bytes: 5500, waves: 5 };
  const rows = [row, { ...row, cell_bytes: 64_000 }];
  assert.match(lines(vectorTable(rows))[2], /^\| 32\.0 \| 0\.800 \| 0\.700 \| 45\.5 \|/);
  assert.equal(lines(vectorTable(rows)).length, 4);
  assert.equal(curve(rows).data.values.length, 4);
});

test('loss_is_what_all_cells_find_more', () => {
  const row = { collection: 'scifact', queries: 300, ndcg_at_10_words: 0.68, ndcg_at_10_meaning: 0.65, ndcg_at_10: 0.73, ndcg_at_10_all_cells: 0.735, overlap_at_10: 0.9, mean_bytes: 120_000, waves: 6 };
  assert.match(lines(judgedTable([row]))[2], /\| 0\.730 \| 0\.735 \| 0\.0050 \| 0\.900 \|/);
});

test('sections_without_a_column_are_summed_up_and_all_are_drawn', () => {
  const row = { chunks: 10_000, terms: 50, index_bytes: 5e6, peak_bytes: 1e8, mean_bytes: 60_000, p95_bytes: 70_000, waves: 5.5, most_waves: 7, overlap_at_10: 0.9, recall_at_10: 0.8, sections: { root: 10_000, cells: 30_000, documents: 5000, spelling: 15_000 } };
  const cells = lines(growthTable([row]))[2].split('|').map((cell) => cell.trim());
  assert.equal(cells.at(-2), '20.0');
  assert.equal(growing([row, { ...row, chunks: 100_000 }]).data.values.length, 8);
});

test('nothing_recorded_is_nothing_shown', () => {
  assert.deepEqual([vectorTable([]), judgedTable([]), growthTable([])], ['', '', '']);
});
