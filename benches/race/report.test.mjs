import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contest, peerRow, replaceSection, tables } from './report.mjs';

const row = (engine, p50_us, recall, more = {}) => ({
  engine, runtime: 'native', n: 1000, dims: 8, recall, p50_us, p99_us: 2 * p50_us, qps: 1e6 / p50_us,
  bytes_per_vector: 100, build_s: 1, setting: { ef: 1 }, ...more,
});

test('contest_rows_below_the_target_are_left_out_and_the_fastest_of_an_engine_wins', () => {
  const rows = [row('a', 30, 0.99), row('a', 10, 0.96), row('b', 5, 0.9), row('c', 20, 0.95)];
  assert.deepEqual(contest(rows, 0.95).map(({ engine, p50_us }) => [engine, p50_us]), [['a', 10], ['c', 20]]);
});

test('contest_engine_faster_at_a_higher_recall_counts_at_the_lower_one', () => {
  assert.equal(contest([row('flat', 7, 1), row('flat', 9, 0.951)], 0.95)[0].p50_us, 7);
});

test('tables_ratios_are_to_the_fastest_peer_of_the_same_place_and_size', () => {
  const rows = [
    row('coracle-scan', 50, 0.96), row('slow', 400, 0.97), row('fast', 200, 0.96, { bytes_per_vector: 400 }),
    row('coracle-scan', 80, 0.96, { runtime: 'node' }),
  ];
  const text = tables(rows);
  assert.match(text, /\*\*native, 1,000 × 8, recall@10 ≥ 0.95\*\*; × is against fast/);
  assert.match(text, /\*\*coracle-scan\*\* \| native \| ef 1 \| 0.9600 \| 50.0 \| 0.25 \| .* \| 100 \| 0.25 \|/);
  assert.match(text, /JavaScript, 1,000 × 8, recall@10 ≥ 0.95\*\*; no peer to compare with/);
  assert.match(text, /Not reached by: coracle-scan \(0.960\), slow \(0.970\), fast \(0.960\)\./);
});

test('peer_row_keeps_the_runtime_without_its_version', () => {
  const peer = { peer: 'x', version: '1', runtime: 'node 20.1', n: 5, recall10: 0.9, bytes_per_vec: 7, setting: {} };
  const { engine, runtime, recall, bytes_per_vector, dims } = peerRow(peer, 8);
  assert.deepEqual([engine, runtime, recall, bytes_per_vector, dims], ['x', 'node', 0.9, 7, 8]);
});

test('replace_section_without_marks_is_refused_and_the_rest_of_the_text_stays', () => {
  assert.equal(replaceSection('a\n<!-- x -->\nold\n<!-- /x -->\nb', 'x', 'new\n'), 'a\n<!-- x -->\nnew\n<!-- /x -->\nb');
  assert.throws(() => replaceSection('text', 'x', ''), /no section/);
});
