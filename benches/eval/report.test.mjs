import assert from 'node:assert/strict';
import test from 'node:test';
import { gains, picture, rowsOf, table } from './report.mjs';

const figures = (mode, ndcg10) => ({ mode, ndcg10, mrr10: ndcg10 / 2, recall100: 1, recall10: 1, found5: 1 });
const report = {
  questions: 7,
  modes: [figures('keyword', 0.5), figures('vector', 0.4), figures('hybrid', 0.61), figures('hybrid-exact', 0.62), figures('peer', 0.3)],
  comparisons: [
    { a: 'hybrid', b: 'keyword', p: 0.001 },
    { a: 'vector', b: 'keyword', p: 0.2 },
    { a: 'peer', b: 'keyword', p: 0.01 },
  ],
};

test('what ships stands for the fitted table where no cell is left out', () => {
  const rows = rowsOf('boats', report);
  const of = (mode) => rows.find((row) => row.mode === mode)?.ndcg10;
  assert.deepEqual(rows.map(({ mode }) => mode), ['keyword', 'vector-default', 'vector-fitted', 'hybrid-default', 'hybrid-fitted', 'peer']);
  assert.equal(of('vector-fitted'), 0.4);
  assert.equal(of('hybrid-fitted'), 0.62);
  assert.deepEqual(rows[0], { set: 'boats', mode: 'keyword', ndcg10: 0.5, mrr10: 0.25, recall100: 1, queries: 7 });
});

test('the table marks gains that are no chance and ends in means', () => {
  const rows = [...rowsOf('boats', report), ...rowsOf('canoes', report)];
  const lines = table(rows).trim().split('\n');
  assert.match(lines[2], /^\| boats \| 7 \| 0\.500 \| 0\.400 .*\*\*0\.610\*\* .*\| 0\.300 \|$/);
  assert.match(lines.at(-1), /^\| mean \|  \| 0\.500 /);
});

test('the picture has ours and the peers', () => {
  const { data } = picture(rowsOf('boats', report));
  assert.deepEqual(data.values.map(({ mode, ours }) => [mode, ours]), [['keyword', true], ['vector-default', true], ['hybrid-default', true], ['peer', false]]);
});

test('what is kept and gained is told where the model was asked', () => {
  assert.equal(gains(rowsOf('boats', report)), '');
  const asked = { ...report, modes: [...report.modes, figures('vector-model', 0.5), figures('hybrid-model', 0.45)] };
  const foreign = asked.modes.map((mode) => ({ ...mode, ndcg10: mode.ndcg10 ** 2 }));
  const lines = gains([...rowsOf('boats', asked), ...rowsOf('boote-de', { ...asked, modes: foreign })]).trim().split('\n');
  assert.equal(lines[2], '| boats | 0.800 | +0.110 | −0.050 |');
  assert.equal(lines.at(-1), '| mean of the English ones | 0.800 | +0.110 | −0.050 |');
});
