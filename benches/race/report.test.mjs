import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { draw, specs } from './plot.mjs';
import { readRecord, sections, writeRecord, writeSections } from './record.mjs';
import { contest, filteredTable, front, growthTable, peerRows, replaceSection, tables } from './report.mjs';

const row = (engine, p50_us, recall, more = {}) => ({
  engine, runtime: 'native', n: 1000, dims: 8, recall, p50_us, p99_us: 2 * p50_us, qps: 1e6 / p50_us,
  bytes_per_vector: 100, build_s: 1, setting: { ef: 1 }, sweep: [['ef 1', recall, p50_us]], ...more,
});

const folder = mkdtempSync(join(tmpdir(), 'race-'));
after(() => rmSync(folder, { recursive: true }));

test('contest_rows_below_the_target_are_left_out_and_the_fastest_of_an_engine_wins', () => {
  const rows = [row('a', 30, 0.99), row('a', 10, 0.96), row('b', 5, 0.9), row('c', 20, 0.95)];
  assert.deepEqual(contest(rows, 0.95).map(({ engine, p50_us }) => [engine, p50_us]), [['a', 10], ['c', 20]]);
});

test('contest_engine_faster_at_a_higher_recall_counts_at_the_lower_one', () => {
  assert.equal(contest([row('flat', 7, 1), row('flat', 9, 0.951)], 0.95)[0].p50_us, 7);
});

test('tables_ratios_are_to_the_fastest_peer_of_the_same_place_and_size', () => {
  const rows = [
    row('coracle-scan', 50, 0.96, { load_ms: 3.25 }), row('slow', 400, 0.97), row('fast', 200, 0.96, { bytes_per_vector: 400 }),
    row('coracle-scan', 80, 0.96, { runtime: 'node' }),
  ];
  const text = tables(rows);
  assert.match(text, /\*\*native, 1,000 × 8, recall@10 ≥ 0.95\*\*; × is against fast/);
  assert.match(text, /\*\*coracle-scan\*\* \| native \| ef 1 \| 0.9600 \| 50.0 \| 0.25 \| .* \| 100 \| 0.25 \| 1.0 \| 1.00 \| 3.3 \|/);
  assert.match(text, /JavaScript, 1,000 × 8, recall@10 ≥ 0.95\*\*; no peer to compare with/);
  assert.match(text, /Not reached by: coracle-scan \(0.960\), slow \(0.970\), fast \(0.960\)\./);
});

test('filtered_table_compares_with_the_same_engine_without_a_filter', () => {
  const rows = [
    row('a', 20, 0.98, { share: 1, admitted: 1000 }), row('a', 50, 0.97, { share: 0.01, admitted: 12 }),
    row('b', 40, 0.98, { share: 1, admitted: 1000 }), row('b', 10, 0.99, { share: 0.01, admitted: 12 }),
  ];
  const text = filteredTable(rows);
  assert.match(text, /\| a \| native \| ef 1 \| all \| 0.9800 \| 20.0 \|  \|/);
  assert.match(text, /\| a \| native \| ef 1 \| 1 % \(12\) \| 0.9700 \| 50.0 \| 2.50 \|/);
  assert.match(text, /\| b \| native \| ef 1 \| 1 % \(12\) \| 0.9900 \| 10.0 \| 0.25 \|/);
});

test('growth_table_has_both_recalls_of_a_size_in_one_line_and_says_which_was_missed', () => {
  const rows = [
    row('a', 20, 0.96, { target: 0.95, reached: true }), row('a', 50, 0.97, { target: 0.98, reached: false }),
    row('a', 90, 0.96, { n: 2000, target: 0.95, reached: true }),
  ];
  const [, , first, second] = growthTable(rows).split('\n');
  assert.match(first, /^\| 1,000 \| a \| native \| 20.0 \| 0.9600 \| ef 1 \| not reached \| 0.9700 \| ef 1 \| 100 \|/);
  assert.match(second, /^\| 2,000 \| a \| native \| 90.0 \|/);
});

test('front_leaves_out_what_another_setting_beats', () => {
  const sweep = [['a', 0.9, 5], ['b', 0.96, 30], ['c', 0.97, 20], ['d', 0.97, 25], ['e', 0.99, 90]];
  assert.deepEqual(front(sweep).map(([setting]) => setting), ['a', 'c', 'e']);
});

test('peer_rows_keep_the_runtime_without_its_version_and_share_the_sweep_with_its_names', () => {
  const peer = { peer: 'x', version: '1', runtime: 'node 20.1', n: 5, recall10: 0.9, bytes_per_vec: 7, load_ms: 4, setting: { ef: 8, r: 2 } };
  const [first, second] = peerRows([{ ...peer, sweep: [[8, 2, 0.9, 50], [16, 2, 0.95, 80]] }, peer], 8);
  assert.deepEqual([first.engine, first.runtime, first.recall, first.bytes_per_vector, first.load_ms, first.dims], ['x', 'node', 0.9, 7, 4, 8]);
  assert.deepEqual(second.sweep, [['ef 8, r 2', 0.9, 50], ['ef 16, r 2', 0.95, 80]]);
  const [exact] = peerRows([{ ...peer, setting: {}, sweep: [[1, 640.5]] }], 8);
  assert.deepEqual(exact.sweep, [['', 1, 640.5]]);
});

test('replace_section_without_marks_is_refused_and_the_rest_of_the_text_stays', () => {
  assert.equal(replaceSection('a\n<!-- x -->\nold\n<!-- /x -->\nb', 'x', 'new\n'), 'a\n<!-- x -->\nnew\n<!-- /x -->\nb');
  assert.throws(() => replaceSection('text', 'x', ''), /no section/);
});

test('record_written_is_the_record_read_and_only_its_parts_change_the_text', () => {
  const path = join(folder, 'race.json');
  const record = { about: { race: 'a machine' }, rows: [row('a', 20, 0.96)], filtered: [], growth: [] };
  writeRecord(path, record);
  assert.deepEqual(readRecord(path), record);
  assert.deepEqual(readRecord(join(folder, 'none.json')).rows, []);
  assert.deepEqual(Object.keys(sections(record)), ['race', 'filtered', 'growth']);
  const readme = join(folder, 'README.md');
  writeFileSync(readme, '<!-- race -->\nold\n<!-- /race -->\n<!-- growth -->\nold\n<!-- /growth -->\n');
  writeSections(readme, record);
  assert.match(readFileSync(readme, 'utf8'), /^<!-- race -->\na machine\n\n\*\*native.*<!-- growth -->\nold\n<!-- \/growth -->\n$/s);
});

test('pictures_show_the_rows_of_the_largest_set_and_hnswlib_beside_webassembly', async () => {
  const rows = [
    row('coracle-scan', 50, 0.96), row('hnswlib', 90, 0.97), row('faiss', 70, 0.96), row('small', 5, 0.99, { n: 10 }),
    row('coracle-scan', 80, 0.96, { runtime: 'node' }), row('coracle-scan', 85, 0.96, { runtime: 'chromium' }),
  ];
  const { 'recall-native.svg': native, 'recall-wasm.svg': web, 'bytes.svg': bytes } = specs(rows);
  const lines = (spec) => spec.data.values.map(({ line }) => line).sort();
  assert.deepEqual(lines(native), ['coracle-scan native', 'faiss native', 'hnswlib native']);
  assert.deepEqual(lines(web), ['coracle-scan chromium', 'coracle-scan node', 'hnswlib native']);
  assert.deepEqual(bytes.data.values.map(({ engine }) => engine), ['coracle-scan', 'faiss', 'hnswlib']);
  for (const svg of Object.values(await draw(rows))) {
    assert.match(svg, /^<svg .*<text .*<path /s);
    assert.match(svg, /fill="white"/);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  }
});

test('names_of_engines_with_the_same_figures_stand_above_each_other', () => {
  const { 'bytes.svg': bytes } = specs([row('a', 50, 0.96), row('b', 50, 0.96), row('c', 50, 0.96)]);
  const heights = bytes.data.values.map(({ label }) => label);
  assert.ok(heights[1] > heights[0] * 1.01 && heights[2] > heights[1] * 1.01, String(heights));
});

test('record_without_rows_draws_nothing', async () => {
  assert.deepEqual(await draw([]), {});
});
