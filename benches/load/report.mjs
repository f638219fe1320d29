// The record of searches over HTTP and its table.
import { readFileSync, writeFileSync } from 'node:fs';
import { at } from '../../www/build/tools.mjs';
import { list } from '../race/record.mjs';
import { replaceSection } from '../race/report.mjs';

const NAMES = {
  coracle: 'Coracle, native, words and meaning',
  'coracle-keyword': 'Coracle, native, words',
  workerd: 'Coracle, worker in workerd, words and meaning',
  minisearch: 'MiniSearch behind node:http, words',
  orama: 'Orama behind node:http, words',
};

/** Writes the rows and their table. */
export function publish(rows) {
  writeFileSync(at('benches/record/load.json'), `${list(rows)}\n`);
  const readme = at('benches/README.md');
  writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'load', table(rows)));
}

/** A table for benches/README.md. */
export function table(rows) {
  const head = ['server', 'connections', 'searches/s', 'p50 ms', 'p99 ms', 'errors', 'memory MB'];
  const lines = rows.map((row) => [NAMES[row.engine] ?? row.engine, row.connections, row.per_s, row.p50_ms, row.p99_ms, row.errors, row.memory_mb]);
  return `${[head, head.map((_, at) => (at ? '--:' : '---')), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}
