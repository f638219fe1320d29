// The record of cold searches, and what is made of it: a table and a picture.
import { readFileSync, writeFileSync } from 'node:fs';
import { at } from '../../www/build/tools.mjs';
import { frame, svg } from '../race/plot.mjs';
import { list } from '../race/record.mjs';
import { replaceSection } from '../race/report.mjs';

const RECORD = at('benches/record/cold.json');
const NAMES = { coracle: 'Coracle, hybrid', 'coracle-preload': 'Coracle, hybrid, preloaded', 'coracle-keyword': 'Coracle, words', pagefind: 'Pagefind, words' };

/** Writes the rows, their table and their picture. */
export async function publish(rows) {
  writeFileSync(RECORD, `${list(rows)}\n`);
  const readme = at('benches/README.md');
  writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'cold', table(rows)));
  writeFileSync(at('benches/record/cold.svg'), await svg(picture(rows)));
}

/** A table for benches/README.md. */
export function table(rows) {
  const peer = rows.find((row) => row.engine === 'pagefind');
  const kB = (bytes) => (bytes === undefined ? '' : (bytes / 1000).toFixed(0));
  const seconds = (s) => (s === undefined ? '' : s.toFixed(1));
  const lines = rows.map((row) => [
    NAMES[row.engine] ?? row.engine, kB(row.mean_bytes), peer ? (row.mean_bytes / peer.mean_bytes).toFixed(2) : '', kB(row.p95_bytes), kB(row.max_bytes), kB(row.second_mean_bytes),
    row.mean_waves, row.waves, row.requests, row.slow4g_preview_ms, row.slow4g_ms, peer ? (row.slow4g_ms / peer.slow4g_ms).toFixed(2) : '', row.empty,
    row.files, (row.index_bytes / 1e6).toFixed(1), seconds(row.build_s), seconds(row.build_cpu_s), kB(row.build_peak_bytes && row.build_peak_bytes / 1000),
  ]);
  const head = ['engine', 'mean kB', '×', 'p95 kB', 'max kB', 'second kB', 'trips', 'most', 'requests', 'slow 4G first rows ms', 'all ms', '×', 'without result', 'files', 'index MB', 'build s', 'CPU s', 'peak MB'];
  const text = [head, head.map((_, at) => (at ? '--:' : '---')), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return `${rows[0].corpus}, ${rows[0].queries} questions; × is against Pagefind\n\n${text}\n`;
}

/** Bytes and time of a first search, side by side. */
export function picture(rows) {
  const values = rows.flatMap((row) => [
    { engine: NAMES[row.engine], what: 'kB over the wire, mean', value: row.mean_bytes / 1000, label: (row.mean_bytes / 1000).toFixed(0) },
    { engine: NAMES[row.engine], what: 'seconds on slow 4G, median', value: row.slow4g_ms / 1000, label: (row.slow4g_ms / 1000).toFixed(1) },
  ]);
  // Without a browser widths of text are guessed, too wide by a half.
  const y = { field: 'engine', type: 'nominal', sort: null, title: null, axis: { labelLimit: 360, labelFontSize: 13 } };
  const x = { field: 'value', type: 'quantitative', title: null, axis: null };
  const ours = { condition: { test: "datum.engine === 'Coracle, hybrid'", value: '#045a8d' }, value: '#9ebcda' };
  const column = (what) => ({
    width: 520, height: 90, title: { text: what, fontSize: 13, fontWeight: 'normal' },
    transform: [{ filter: { field: 'what', equal: what } }],
    layer: [
      { mark: { type: 'bar', height: { band: 0.7 } }, encoding: { y, x, color: ours } },
      { mark: { type: 'text', align: 'left', dx: 5, fontSize: 13 }, encoding: { y, x, text: { field: 'label', type: 'nominal' } } },
    ],
  });
  const { width, height, ...rest } = frame(
    `First search on ${rows[0].corpus}, nothing cached`,
    `All that is fetched but the page: scripts, WebAssembly, index. ${rows[0].queries} questions, five results each.`,
    { data: { values }, vconcat: [...new Set(values.map(({ what }) => what))].map(column), resolve: { scale: { x: 'independent' } } },
  );
  return rest;
}
