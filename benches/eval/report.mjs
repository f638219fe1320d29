// The record of judged collections, and what is made of it: a table and a picture.
import { readFileSync, writeFileSync } from 'node:fs';
import { at } from '../../www/build/tools.mjs';
import { frame, svg } from '../race/plot.mjs';
import { list } from '../race/record.mjs';
import { replaceSection } from '../race/report.mjs';

const RECORD = at('benches/record/eval.json');

/** The record as it stands. */
export const readRecord = () => JSON.parse(readFileSync(RECORD, 'utf8'));

/** Modes of `coracle eval` under the names of the record; where nothing is left out, exact is what ships. */
const MODES = [
  ['keyword', ['keyword']],
  ['vector-default', ['vector']],
  ['vector-fitted', ['vector-exact', 'vector']],
  ['vector-model', ['vector-model']],
  ['hybrid-default', ['hybrid']],
  ['hybrid-fitted', ['hybrid-exact', 'hybrid']],
  ['hybrid-model', ['hybrid-model']],
];
const OURS = MODES.map(([mode]) => mode);
const KNOWN = new Set(MODES.flatMap(([, names]) => names));

const round = (x) => Number(x.toFixed(4));

/** Rows of the record from the report of `coracle eval --json` on one collection. */
export function rowsOf(set, { questions, modes, comparisons }) {
  const row = (mode, figures) => {
    const { p } = comparisons.find(({ a, b }) => a === figures.mode && b === 'keyword') ?? {};
    const { ndcg10, mrr10, recall100 } = figures;
    return { set, mode, ndcg10: round(ndcg10), mrr10: round(mrr10), recall100: round(recall100), queries: questions, ...(p === undefined ? {} : { p: round(p) }) };
  };
  const named = (names) => names.map((name) => modes.find(({ mode }) => mode === name)).find(Boolean);
  const ours = MODES.map(([mode, names]) => [mode, named(names)]).filter(([, figures]) => figures);
  const peers = modes.filter(({ mode }) => !KNOWN.has(mode)).map((figures) => [figures.mode, figures]);
  return [...ours, ...peers].map(([mode, figures]) => row(mode, figures));
}

const mean = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;

/** nDCG@10 by collection and mode, the means below. */
export function table(rows) {
  const modes = [...new Set([...OURS, ...rows.map(({ mode }) => mode)])].filter((mode) => rows.some((row) => row.mode === mode));
  const sets = [...new Set(rows.map(({ set }) => set))];
  const of = (set, mode) => rows.find((row) => row.set === set && row.mode === mode);
  const cell = (row, keyword) => {
    if (!row) return '';
    const figure = row.ndcg10.toFixed(3);
    // Bold where chance is no explanation.
    return row.p < 0.05 && row.ndcg10 > keyword.ndcg10 ? `**${figure}**` : figure;
  };
  const lines = sets.map((set) => [set, of(set, modes[0]).queries, ...modes.map((mode) => cell(of(set, mode), of(set, 'keyword')))]);
  const means = modes.map((mode) => {
    const found = sets.map((set) => of(set, mode)).filter(Boolean);
    return found.length === sets.length ? mean(found.map(({ ndcg10 }) => ndcg10)).toFixed(3) : '';
  });
  const head = ['nDCG@10', 'questions', ...modes];
  const cells = [head, head.map((_, at) => (at ? '--:' : '---')), ...lines, ['mean', '', ...means]];
  return `${cells.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

/** What the query table keeps of the model, and what meaning adds to words. */
export function gains(rows) {
  const sets = [...new Set(rows.map(({ set }) => set))];
  const of = (set, mode) => rows.find((row) => row.set === set && row.mode === mode)?.ndcg10;
  const figures = sets
    .filter((set) => of(set, 'hybrid-model') !== undefined)
    .map((set) => ({
      set,
      kept: of(set, 'vector-fitted') / of(set, 'vector-model'),
      offline: of(set, 'hybrid-default') - of(set, 'keyword'),
      model: of(set, 'hybrid-model') - of(set, 'keyword'),
    }));
  if (figures.length === 0) return '';
  const signed = (x) => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(3)}`;
  const line = ({ set, kept, offline, model }) => `| ${set} | ${kept.toFixed(3)} | ${signed(offline)} | ${signed(model)} |`;
  // The model knows no other language, so what it makes of one says nothing about its table.
  const english = figures.filter(({ set }) => !/-(?!en$)[a-z]{2}$/.test(set));
  const ofAll = (field) => mean(english.map((row) => row[field]));
  const last = { set: 'mean of the English ones', kept: ofAll('kept'), offline: ofAll('offline'), model: ofAll('model') };
  return `| | vector-fitted ÷ vector-model | hybrid-default − keyword | hybrid-model − keyword |\n| --- | --: | --: | --: |\n${[...figures, ...(english.length ? [last] : [])].map(line).join('\n')}\n`;
}

/** Writes the rows: to a file of the caller's, or to the record with its table and its picture. */
export async function publish(rows, { out, record }) {
  if (out) writeFileSync(out, `${list(rows)}\n`);
  if (!record) return;
  writeFileSync(RECORD, `${list(rows)}\n`);
  const readme = at('benches/README.md');
  writeFileSync(readme, replaceSection(readFileSync(readme, 'utf8'), 'eval', `${table(rows)}\n${gains(rows)}`));
  writeFileSync(at('benches/record/eval.svg'), await svg(picture(rows)));
}

/** Modes that are drawn: what a user can choose, and peers. */
const DRAWN = ['hybrid-default', 'hybrid-model', 'vector-default', 'keyword'];

/** nDCG@10 side by side, a small picture for each collection. */
export function picture(rows) {
  const isOurs = ({ mode }) => OURS.includes(mode);
  const values = rows.filter((row) => !isOurs(row) || DRAWN.includes(row.mode)).map((row) => ({ ...row, ours: isOurs(row), label: row.ndcg10.toFixed(3) }));
  const modes = [...DRAWN, ...new Set(values.filter(({ ours }) => !ours).map(({ mode }) => mode))];
  const y = { field: 'mode', type: 'nominal', sort: modes, title: null };
  const x = { field: 'ndcg10', type: 'quantitative', title: null, scale: { domain: [0, 1.3] }, axis: null };
  const spec = {
    width: 190,
    height: 20 * modes.length,
    layer: [
      { mark: { type: 'bar', height: { band: 0.75 } }, encoding: { y, x, color: { condition: { test: 'datum.ours', value: '#045a8d' }, value: '#bdbdbd' } } },
      { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { y, x, text: { field: 'label' } } },
    ],
  };
  const { width, height, ...rest } = frame('Judged collections, nDCG@10', 'Right is better. Peers with the settings they come with, on the same texts.', {
    data: { values },
    facet: { field: 'set', type: 'nominal', title: null, sort: null, header: { labelFontSize: 12 } },
    columns: 3,
    spec,
  });
  return rest;
}
