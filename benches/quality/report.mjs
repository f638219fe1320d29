// The record of what lazy searches find, and what is made of it: tables and pictures.
import { readFileSync, writeFileSync } from 'node:fs';
import { at } from '../../www/build/tools.mjs';
import { frame, svg } from '../race/plot.mjs';
import { list } from '../race/record.mjs';
import { replaceSection } from '../race/report.mjs';

export const QUALITY = at('benches/record/quality.json');
export const GROWTH = at('benches/record/growth-cold.json');

/** Writes the rows, their tables and their pictures. */
export async function publish(quality, growth) {
  writeFileSync(QUALITY, `${list(quality)}\n`);
  writeFileSync(GROWTH, `${list(growth)}\n`);
  const of = (what) => quality.filter((row) => row.what === what);
  const sections = { vectors: vectorTable(of('vectors')), judged: judgedTable(of('judged')), 'growth-cold': growthTable(growth) };
  const path = at('benches/README.md');
  const readme = Object.entries(sections).reduce((text, [name, section]) => replaceSection(text, name, section), readFileSync(path, 'utf8'));
  writeFileSync(path, readme);
  if (of('vectors').length) writeFileSync(at('benches/record/quality.svg'), await svg(curve(of('vectors'))));
  if (growth.length > 1) writeFileSync(at('benches/record/growth-cold.svg'), await svg(growing(growth)));
}

const kB = (bytes) => (bytes / 1000).toFixed(1);
const count = (n) => n.toLocaleString('en');

function table(head, lines, left = 1) {
  if (!lines.length) return '';
  return `${[head, head.map((_, at) => (at < left ? '---' : '--:')), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

/** Recall by budget of cells. */
export function vectorTable(rows) {
  const head = ['budget of cells kB', 'recall@10', 'of all dimensions', 'kB', 'p95 kB', 'router kB', 'cells kB', 'rows kB', 'round trips'];
  return table(head, rows.map((row) => [
    kB(row.cell_bytes), row.recall_at_10.toFixed(3), row.recall_at_10_all_dims.toFixed(3), kB(row.mean_bytes), kB(row.p95_bytes),
    kB(row.router_bytes), kB(row.cells_bytes), kB(row.rows_bytes), row.waves.toFixed(2),
  ]), 0);
}

/** Judged collections among others, as shipped and with all cells. */
export function judgedTable(rows) {
  const head = ['collection', 'queries', 'words', 'meaning', 'both', 'both, all cells', 'loss', 'overlap@10', 'kB', 'round trips'];
  return table(head, rows.map((row) => [
    row.collection, row.queries, ...[row.ndcg_at_10_words, row.ndcg_at_10_meaning, row.ndcg_at_10, row.ndcg_at_10_all_cells].map((x) => x.toFixed(3)),
    (row.ndcg_at_10_all_cells - row.ndcg_at_10).toFixed(4), row.overlap_at_10.toFixed(3), kB(row.mean_bytes), row.waves.toFixed(2),
  ]));
}

/** Sections that have a column of their own; the rest is one. */
const SHOWN = ['root', 'layout', 'terms', 'postings', 'router', 'cells', 'rows', 'passages'];

/** An index that grows. */
export function growthTable(rows) {
  const head = ['chunks', 'terms', 'index MB', 'B/chunk', 'build s', 'peak MB', 'cold kB', 'p95 kB', 'round trips', 'most', 'overlap@10', 'recall@10', ...SHOWN.map((name) => `${name} kB`), 'other kB'];
  return table(head, rows.map((row) => {
    const shown = SHOWN.map((name) => row.sections[name] ?? 0);
    const other = Object.values(row.sections).reduce((sum, bytes) => sum + bytes, 0) - shown.reduce((sum, bytes) => sum + bytes, 0);
    return [
      count(row.chunks), count(row.terms), (row.index_bytes / 1e6).toFixed(1), (row.index_bytes / row.chunks).toFixed(0), row.build_s ?? '',
      row.peak_bytes ? (row.peak_bytes / 1e6).toFixed(0) : '', kB(row.mean_bytes), kB(row.p95_bytes), row.waves.toFixed(2), row.most_waves,
      row.overlap_at_10.toFixed(3), row.recall_at_10.toFixed(3), ...[...shown, other].map(kB),
    ];
  }), 0);
}

/** Recall against bytes. */
export function curve(rows) {
  const values = rows.flatMap((row) => [
    { kB: row.mean_bytes / 1000, recall: row.recall_at_10, of: 'in the dimensions of the index' },
    { kB: row.mean_bytes / 1000, recall: row.recall_at_10_all_dims, of: 'in all 384 dimensions' },
  ]);
  return frame(
    `What a cold search by meaning finds, ${count(rows[0].chunks)} chunks`,
    'Share of the true ten nearest; bytes of router, cells and rows with nothing cached. Left and up is better.',
    {
      data: { values },
      mark: { type: 'line', point: true, strokeWidth: 3 },
      encoding: {
        x: { field: 'kB', type: 'quantitative', title: 'kB read, mean', scale: { domainMin: 0 } },
        y: { field: 'recall', type: 'quantitative', title: 'recall@10', scale: { domain: [0.4, 1] } },
        color: { field: 'of', type: 'nominal', title: 'ten nearest', scale: { range: ['#fd8d3c', '#045a8d'] }, legend: { labelLimit: 240 } },
      },
    },
  );
}

/** Bytes of a cold search by section, against the size of the index. */
export function growing(rows) {
  const last = rows.at(-1).sections;
  const names = Object.keys(last).sort((a, b) => last[b] - last[a]);
  const values = rows.flatMap((row) => names.map((section, rank) => ({ chunks: count(row.chunks), section, rank, kB: (row.sections[section] ?? 0) / 1000 })));
  const { width, height, ...rest } = frame(
    'What a cold search reads of an index that grows',
    'By words and meaning, nothing cached, mean by section.',
    {
      width: 640,
      height: 240,
      data: { values },
      mark: 'bar',
      encoding: {
        y: { field: 'chunks', type: 'ordinal', sort: null, title: 'chunks' },
        x: { field: 'kB', type: 'quantitative', title: 'kB of the index' },
        color: { field: 'section', type: 'nominal', sort: names, scale: { scheme: 'tableau20' } },
        order: { field: 'rank', type: 'quantitative' },
      },
    },
  );
  return { width: 640, height: 240, ...rest };
}
