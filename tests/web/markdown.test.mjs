// The Markdown of answers, as data.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { transform } from 'esbuild';
import { at } from './support/project.mjs';

const module = async (path) => {
  const { code } = await transform(readFileSync(at(path), 'utf8'), { loader: 'ts' });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
};
const { blocks } = await module('www/src/element/ask/markdown.ts');
const { nearest } = await module('www/src/element/ask/passage.ts');

const p = (...inside) => ({ kind: 'paragraph', inside });
const code = (text) => ({ kind: 'code', text });
const em = (...inside) => ({ kind: 'em', inside });
const strong = (...inside) => ({ kind: 'strong', inside });
const link = (href, ...inside) => ({ kind: 'link', href, inside });
const list = (start, ...items) => ({ kind: 'list', start, items });
const mark = (mark) => ({ kind: 'mark', mark });

for (const [name, text, ...expected] of [
  ['paragraphs', 'One\nline.\n\nTwo  \nlines.', p('One\nline.'), p('Two', { kind: 'break' }, 'lines.')],
  ['emphasis', '*a* **b** ***c*** _d_ __e__ **f *g* h**', p(em('a'), ' ', strong('b'), ' ', strong(em('c')), ' ', em('d'), ' ', strong('e'), ' ', strong('f ', em('g'), ' h'))],
  ['names_and_sums_are_no_emphasis', 'snake_case_name, 2 * 3 * 4, *ptr, a_b_c _x_y, **', p('snake_case_name, 2 * 3 * 4, *ptr, a_b_c _x_y, **')],
  ['code_spans', 'Use `a*b`, ``a`b`` or `unclosed', p('Use ', code('a*b'), ', ', code('a`b'), ' or `unclosed')],
  ['paths_keep_their_backslashes', 'C:\\path\\file and \\*no\\*', p('C:\\path\\file and *no*')],
  ['brackets_of_code_are_no_links', 'a[10], operator[](size_t), t[i](x), [[nodiscard]]', p('a[10], operator[](size_t), t[i](x), [[nodiscard]]')],
  ['links', '[a](/b) ![c](/d.png) https://e.org/f. <https://g.org/>', p(link('/b', 'a'), ' c ', link('https://e.org/f', 'https://e.org/f'), '. ', link('https://g.org/', 'https://g.org/'))],
  ['marks', 'A \uE000\uE001. **B \uE002**', p('A ', mark('\uE000'), mark('\uE001'), '. ', strong('B ', mark('\uE002')))],
  ['html_is_text', '<b onclick="x">a</b> &amp;', p('<b onclick="x">a</b> &amp;')],
  ['headings_and_rules', '## A *b* ##\ntext\n\n---\n#no', { kind: 'heading', inside: ['A ', em('b')] }, p('text'), p('#no')],
  ['fences', '```js\nlet a = 1;\n\n# no\n```\nafter\n~~~\nopen', { kind: 'code', text: 'let a = 1;\n\n# no' }, p('after'), { kind: 'code', text: 'open' }],
  ['lists', '- a\n- b\n  c\n\n- d', list(undefined, [p('a')], [p('b\nc')], [p('d')])],
  ['nested_lists', '1. a\n   - b\n     - c\n2. d', list(1, [p('a'), list(undefined, [p('b'), list(undefined, [p('c')])])], [p('d')])],
  ['code_in_lists', '3. a\n\n   ```\n   x\n     y\n   ```\n4. b', list(3, [p('a'), { kind: 'code', text: 'x\n  y' }], [p('b')])],
  ['a_year_begins_no_list', 'It was\n1984. A year', p('It was\n1984. A year')],
  ['quotes', '> a\n> - b\n\nc', { kind: 'quote', blocks: [p('a'), list(undefined, [p('b')])] }, p('c')],
  ['tables', '| a | `b` |\n|---|:-:|\n| 1 \\| 2 | **3** |', { kind: 'table', hasHead: true, rows: [[['a'], [code('b')]], [['1 | 2'], [strong('3')]]] }],
]) {
  test(`markdown_${name}`, () => assert.deepEqual(blocks(text), expected));
}

test('markdown_cut_at_any_place_is_read_without_losing_words', () => {
  const text = 'Some **bold `code`** [link](https://e.org/x) text.\n\n- item _one_\n  ```\n  let x;\n  ```\n\n| a | b |\n|---|---|\n| c | d |\n\n> end';
  for (let end = 0; end <= text.length; end += 1) {
    const said = JSON.stringify(blocks(text.slice(0, end)));
    for (const word of text.slice(0, end).match(/\b[a-z]{3,}\b(?=[^a-z/.:])/g) ?? []) assert.ok(said.includes(word), `${word} in ${said}`);
  }
});

test('markdown_of_hostile_length_takes_no_more_than_its_time', () => {
  for (const evil of ['*', '**', '_', '__', '[', '![', '`', '<', '>', '> ', '- ', '1. ', '|', '\\', '#', '[a](', 'http://', '  ', '~~~\n', '- \n  ', '*a ']) {
    const began = performance.now();
    const text = evil.repeat(20_000 / evil.length);
    assert.ok(Array.isArray(blocks(text)));
    assert.ok(Array.isArray(blocks(text.replaceAll(evil, `${evil}a\n`))));
    assert.ok(performance.now() - began < 2000, `${JSON.stringify(evil)} takes ${performance.now() - began} ms`);
  }
});

test('nearest_sentence_of_a_passage_shares_most_words', () => {
  const passage = 'Clone the repository. Then run the build, which takes a minute!\nThe output lies in dist';
  const found = (cited) => {
    const range = nearest(passage, cited);
    return range && passage.slice(...range);
  };
  assert.equal(found('A build may take a minute [1].'), 'Then run the build, which takes a minute!');
  assert.equal(found('You find the output in `dist` [2].'), 'The output lies in dist');
  assert.equal(found('Pinguine [1].'), undefined);
  assert.equal(nearest('', 'anything'), undefined);
});
