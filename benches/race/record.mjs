// The record of the race, and what is made of it: tables in benches/README.md, pictures beside it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { draw } from './plot.mjs';
import { filteredTable, growthTable, replaceSection, tables } from './report.mjs';

/**
 * @typedef {object} Record
 * @property {{ race?: string, growth?: string }} about the machine, day and load of each part, in a sentence
 * @property {object[]} rows the race
 * @property {object[]} filtered searches under filters
 * @property {object[]} growth searches in sets of several sizes
 */

/** @returns {Record} the record, or one without rows */
export function readRecord(path) {
  const empty = { about: {}, rows: [], filtered: [], growth: [] };
  return existsSync(path) ? { ...empty, ...JSON.parse(readFileSync(path, 'utf8')) } : empty;
}

/** Writes the record, one row per line so that differences can be read. */
export function writeRecord(path, record) {
  const list = (rows) => (rows.length ? `[\n${rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}\n  ]` : '[]');
  const { about, rows, filtered, growth } = record;
  const parts = [['about', JSON.stringify(about)], ['rows', list(rows)], ['filtered', list(filtered)], ['growth', list(growth)]];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `{\n${parts.map(([name, json]) => `  "${name}": ${json}`).join(',\n')}\n}\n`);
}

/** What stands in the sections of the same names of benches/README.md. */
export function sections({ about, rows, filtered, growth }) {
  return {
    race: rows.length ? `${about.race}\n\n${tables(rows)}` : '',
    filtered: filtered.length ? `${about.race}\n\n${filteredTable(filtered)}` : '',
    growth: growth.length ? `${about.growth}\n\n${growthTable(growth)}` : '',
  };
}

/** Rewrites the sections of `readme` that the record has something for. */
export function writeSections(readme, record) {
  const filled = Object.entries(sections(record)).filter(([, text]) => text);
  const text = filled.reduce((text, [name, section]) => replaceSection(text, name, section), readFileSync(readme, 'utf8'));
  writeFileSync(readme, text);
}

/** Draws the record's pictures into `folder` and returns their names. */
export async function writePictures(folder, record) {
  const pictures = await draw(record.rows);
  for (const [name, svg] of Object.entries(pictures)) writeFileSync(`${folder}/${name}`, svg);
  return Object.keys(pictures);
}
