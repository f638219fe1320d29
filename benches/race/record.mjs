// The record of the race, and what is made of it: tables in benches/README.md, pictures beside it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { draw } from './plot.mjs';
import { filteredTable, growthTable, kernelTable, replaceSection, tables } from './report.mjs';

/** The parts of a record; each is a file of the same name, a list of rows. */
const PARTS = ['race', 'filtered', 'kernels', 'growth'];

/**
 * @typedef {object} Record
 * @property {{ race?: string, growth?: string }} about machine, day and load of the two runs, in a sentence
 * @property {object[]} race
 * @property {object[]} filtered searches under filters
 * @property {object[]} kernels kernels beside their limits, and scans
 * @property {object[]} growth searches in sets of several sizes
 */

/** @returns {Record} the record in `folder`; parts that are not there are empty */
export function readRecord(folder) {
  const read = (name, missing) => {
    const path = join(folder, `${name}.json`);
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : missing;
  };
  return { about: read('about', {}), ...Object.fromEntries(PARTS.map((part) => [part, read(part, [])])) };
}

/** Writes the record, one row per line so that differences can be read. */
export function writeRecord(folder, record) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'about.json'), `${JSON.stringify(record.about, null, 2)}\n`);
  for (const part of PARTS) writeFileSync(join(folder, `${part}.json`), `${list(record[part])}\n`);
}

/** JSON of rows, one to a line. */
export const list = (rows) => (rows.length ? `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]` : '[]');

/** What stands in the sections of the same names of benches/README.md. */
export function sections({ about, race, filtered, kernels, growth }) {
  const section = (rows, about, table) => (rows.length ? `${about}\n\n${table(rows)}` : '');
  return {
    race: section(race, about.race, tables),
    filtered: section(filtered, about.race, filteredTable),
    kernels: section(kernels, about.race, kernelTable),
    growth: section(growth, about.growth, growthTable),
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
  const pictures = await draw(record.race);
  for (const [name, svg] of Object.entries(pictures)) writeFileSync(join(folder, name), svg);
  return Object.keys(pictures);
}
