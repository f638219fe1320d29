// The package's interface on the real module and a real index.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CoracleError, open } from '@coracle-search/coracle';
import { guideIndex } from './support/project.mjs';
import { serve } from './support/server.mjs';

/** A source that reads the guide's index and records what it was asked; `change` may spoil its answers. */
function recording(change = (bytes) => bytes) {
  const reads = [];
  return {
    reads,
    async read(file, start, end) {
      reads.push({ file, start, end });
      const whole = await readFile(guideIndex + file).catch(({ message }) => {
        throw Object.assign(new Error(message), { status: 404 });
      });
      return change(new Uint8Array(start === undefined ? whole : whole.subarray(start, end)), file);
    },
  };
}

test('search_returns_hits_with_text_on_demand', async () => {
  const index = await open(guideIndex);
  assert.ok(index.info.chunks >= index.info.documents && index.info.documents >= 2);
  const result = await index.search('keyboard shortcuts', { limit: 3, explain: true });
  assert.equal(result.query, 'keyboard shortcuts');
  assert.ok(result.hits.length > 0 && result.hits.length <= 3 && result.total >= result.hits.length);
  const [first] = result.hits;
  assert.match(first.id, /widget/);
  assert.ok(first.explain.keyword.score > 0);
  for (const [start, end] of first.excerpt.marks) assert.match(first.excerpt.text.slice(start, end), /\w/);
  assert.ok((await first.text()).toLowerCase().includes('key'));
  index.close();
});

test('hits_carry_sections_that_lead_elsewhere_and_read_their_own_text', async () => {
  const index = await open(guideIndex);
  const plain = await index.search('keyboard attributes events');
  assert.ok(plain.hits.every(({ sections }) => sections === undefined));
  const { hits } = await index.search('keyboard attributes events', { sections: 2 });
  const { sections } = hits.find(({ id }) => /widget/.test(id));
  assert.ok(sections.length > 0 && sections.length <= 2);
  for (const section of sections) {
    assert.match(section.id, /widget/);
    assert.ok(section.anchor && section.headings.length > 0 && section.excerpt.text);
    assert.equal(section.sections, undefined);
    // An excerpt is a piece of the text, with dots where it is cut.
    assert.ok((await section.text()).includes(section.excerpt.text.replaceAll('…', '').slice(0, 40)));
  }
  assert.deepEqual(hits.map(({ chunk, score }) => [chunk, score]), plain.hits.map(({ chunk, score }) => [chunk, score]));
  const { hits: passages } = await index.search('keyboard', { sections: 2, group: 'chunk' });
  assert.ok(passages.every(({ sections }) => sections === undefined));
  index.close();
});

test('nothing_found_comes_with_similar_words_or_names_the_filter', async () => {
  const index = await open(guideIndex);
  const lacking = await index.search('jeyboardd', { mode: 'keyword' });
  assert.deepEqual([lacking.total, lacking.suggestions[0], lacking.filteredOut], [0, 'keyboard', undefined]);
  const filtered = await index.search('keyboard', { filter: { section: 'nowhere' } });
  assert.deepEqual([filtered.total, filtered.suggestions, filtered.filteredOut], [0, undefined, true]);
  index.close();
});

test('misspelt_word_is_corrected_and_said', async () => {
  const index = await open(guideIndex);
  const { corrections, hits } = await index.search('keybord');
  assert.deepEqual(corrections.map(({ from }) => from), ['keybord']);
  assert.match(hits[0].id, /widget/);
  index.close();
});

test('same_answer_from_folder_source_and_http', async () => {
  const server = await serve({ mounts: { '/search/': guideIndex } });
  const places = [guideIndex, recording(), `${server.url}/search`, new URL(`${server.url}/search/`)];
  const found = await Promise.all(
    places.map(async (place) => {
      const index = await open(place);
      const { hits } = await index.search('dark mode');
      index.close();
      return hits.map(({ id, chunk, score }) => ({ id, chunk, score }));
    }),
  );
  await server.close();
  for (const other of found) assert.deepEqual(other, found[0]);
  assert.ok(server.asked.every(({ path }) => path.startsWith('/search/')));
});

test('searches_side_by_side_do_not_mix', async () => {
  const index = await open(guideIndex);
  const queries = ['keyboard', 'wrangler', 'colours', 'policy', 'install'];
  const alone = [];
  for (const query of queries) alone.push((await index.search(query)).hits.map(({ chunk, score }) => [chunk, score]));
  const together = await Promise.all(queries.map((query) => index.search(query)));
  assert.deepEqual(together.map(({ hits }) => hits.map(({ chunk, score }) => [chunk, score])), alone);
  index.close();
});

test('aborted_search_rejects_with_the_reason_and_the_index_lives_on', async () => {
  const source = recording();
  const index = await open(source);
  const slow = source.read;
  source.read = async (...asked) => {
    await new Promise((done) => setTimeout(done, 50));
    return slow(...asked);
  };
  const stop = new AbortController();
  const search = index.search('keyboard', { signal: stop.signal });
  const reason = new Error('changed my mind');
  stop.abort(reason);
  await assert.rejects(search, reason);
  await assert.rejects(index.search('keyboard', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.ok((await index.search('keyboard')).hits.length > 0);
  index.close();
});

test('preview_by_words_comes_before_the_whole_answer_and_not_where_that_is_at_hand', async () => {
  const source = recording();
  const fast = source.read;
  let isBroken = false;
  source.read = async (...asked) => {
    await new Promise((done) => setTimeout(done, 20));
    if (isBroken) throw new Error('the line is dead');
    return fast(...asked);
  };
  const index = await open(source);
  assert.ok(index.info.embedder);
  const came = [];
  const preview = (result) => came.push(result);
  // What the words need is there already.
  for (const query of ['how do I sign an index?', 'which languages are there']) await index.search(query, { limit: 3, mode: 'keyword' });
  const whole = await index.search('how do I sign an index?', { limit: 3, preview });
  assert.deepEqual([whole.mode, came.length, came[0].mode, came[0].hits.length], ['hybrid', 1, 'keyword', 3]);
  assert.ok((await came[0].hits[0].text()).length > 0);
  const chunks = ({ hits }) => hits.map(({ chunk }) => chunk);
  assert.deepEqual(chunks(await index.search('how do I sign an index?', { limit: 3, preview })), chunks(whole));
  await index.search('colours', { mode: 'keyword', preview });
  await index.search('colours', { offset: 3, preview });
  assert.equal(came.length, 1, 'only a search that reads, of words and meaning, from the first page on');
  // Where only the whole answer fails, what was found by words is known by then.
  const failing = index.search('which languages are there', { limit: 3, preview: (result) => (came.push(result), (isBroken = true)) });
  await assert.rejects(failing, { code: 'source' });
  assert.equal(came[1].mode, 'keyword');
  index.close();
});

test('closed_index_refuses_and_ends_what_runs', async () => {
  const index = await open(guideIndex);
  const running = index.search('keyboard');
  index.close();
  index.close();
  await assert.rejects(running, { code: 'closed' });
  await assert.rejects(index.search('keyboard'), { code: 'closed' });
});

const wrong = [
  [{ limit: 0 }, 'limit'],
  [{ limit: 101 }, 'limit'],
  [{ limit: -1 }, 'usage'],
  [{ limit: 1.5 }, 'usage'],
  [{ sections: -1 }, 'usage'],
  [{ mode: 'magic' }, 'usage'],
  [{ fusion: 'magic' }, 'usage'],
  [{ group: 'magic' }, 'usage'],
  [{ alpha: 2 }, 'usage'],
  [{ diversity: -0.1 }, 'usage'],
  [{ filter: { nowhere: 1 } }, 'filter'],
  [{ filter: 'lang' }, 'filter'],
  [{ vector: [1, 2, 3] }, 'embedding'],
];
for (const [options, code] of wrong) {
  test(`wrong_option_rejects_with_${code}: ${JSON.stringify(options)}`, async () => {
    const index = await open(guideIndex);
    await assert.rejects(index.search('install', options), (error) => {
      assert.ok(error instanceof CoracleError);
      assert.equal(error.code, code, error.message);
      return true;
    });
    index.close();
  });
}

test('missing_index_says_that_there_is_none', async () => {
  await assert.rejects(open(guideIndex + 'nowhere'), { code: 'source', message: /root\.cora: not found/ });
  await assert.rejects(open('http://127.0.0.1:9/'), { code: 'source' });
  await assert.rejects(open('http://'), { code: 'bad-url' });
});

test('damaged_files_are_errors_that_name_the_file', async () => {
  const cutRoot = recording((bytes, file) => (file === 'root.cora' ? bytes.subarray(0, bytes.length >> 1) : bytes));
  await assert.rejects(open(cutRoot), { code: 'root' });
  const page = recording(() => new TextEncoder().encode('<!doctype html><title>Not found</title>'));
  await assert.rejects(open(page), { code: 'root' });
  const flipped = recording((bytes, file) => (file === 'root.cora' ? bytes : bytes.map((byte) => byte ^ 1)));
  const index = await open(flipped);
  await assert.rejects(index.search('keyboard'), { code: 'damaged' });
  index.close();
});

test('source_that_returns_no_bytes_is_an_error', async () => {
  await assert.rejects(open({ read: async () => 'text' }), { code: 'source' });
  await assert.rejects(open({ read: () => Promise.reject(new Error('disk is away')) }), { code: 'source', message: /disk is away/ });
});
