// An index that answers from a few made-up documents, for tests of what the element does with answers.
const documents = [
  {
    id: 'install',
    title: 'Installing the tool',
    url: '/guide/install/',
    headings: ['From source', 'Linux'],
    anchor: 'linux',
    meta: { section: ['guide'], tags: ['linux', 'tool'] },
    parts: ['windows', 'mac', 'update'],
    text: 'Clone the repository and install the tool with one command. It checks what is missing first.',
  },
  {
    id: 'pointers',
    title: 'Smart pointers',
    url: '/guide/pointers/',
    headings: [],
    anchor: '',
    meta: { section: ['reference'], tags: ['tool'] },
    text: 'A smart pointer owns an object and frees it. Install no other tool to use it.',
  },
  {
    id: 'hostile',
    title: '<img src=x onerror="document.title=\'owned\'"> Hostile title',
    url: 'javascript:document.title="owned"',
    headings: ['<script>document.title="owned"</script>'],
    anchor: '',
    text: 'Hostile <img src=x onerror="document.title=\'owned\'"> install <b>text</b>',
  },
  { id: 'elsewhere', title: 'Elsewhere', url: 'https://example.org/a%20b/index.html', headings: ['Install'], anchor: '', text: '' },
];

/** A document with no more to it than its id; `id:text` has that text. */
function made(name) {
  const [id, text = `About ${id}.`] = name.split(':');
  return { id, title: id, url: `/${id}/`, headings: [], anchor: '', text };
}

/** Whether a document passes a filter of the kind that `<coracle-facets>` makes. */
function passes(document, filter) {
  if (!filter?.field) return (filter?.and ?? []).every((one) => passes(document, one));
  return filter.field.in.some((value) => document.meta?.[filter.field.name]?.includes(value));
}

function counted(found, field) {
  const counts = new Map();
  for (const { meta } of found) for (const value of meta?.[field] ?? []) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
}

export class FakeIndex {
  info = { documents: documents.length, chunks: documents.length };
  asked = [];
  aborted = 0;
  delay = 0;
  /** Whether searches fail; a mode: those of that mode. */
  failing = false;
  /** By mode, ids of the documents to find instead, best first; made up as they are asked for. */
  order;
  /** Words to suggest where nothing is found. */
  suggestions;

  async search(query, { preview, ...options }) {
    const isHybrid = (options.mode ?? 'hybrid') === 'hybrid' && this.info.embedder;
    const whole = this.find(query, options);
    if (!preview || !isHybrid || options.offset > 0) return whole;
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, options.signal]);
    const words = this.find(query, { ...options, mode: 'keyword', signal }).then(preview, () => undefined);
    try {
      return await whole;
    } catch (thrown) {
      await words;
      throw thrown;
    } finally {
      ended.abort();
    }
  }

  async find(query, options) {
    const { signal, ...plain } = options;
    this.asked.push({ query, options: plain });
    const { offset = 0, limit = 10, mode = 'hybrid' } = plain;
    const delay = typeof this.delay === 'function' ? this.delay(query, mode) : this.delay;
    const ended = new AbortController();
    await new Promise((resolve, reject) => {
      setTimeout(resolve, delay);
      const onabort = () => {
        this.aborted += 1;
        reject(signal.reason);
      };
      signal?.addEventListener('abort', onabort, { signal: ended.signal });
    }).finally(() => ended.abort());
    if (this.failing === true || this.failing === mode) throw Object.assign(new Error('the file postings was not found'), { code: 'source' });
    const corrections = query.includes('smrt') ? [{ from: 'smrt', to: 'smart' }] : [];
    const word = query.replace('smrt', 'smart').split(' ')[0].toLowerCase();
    const order = this.order?.[mode];
    const has = ({ title, text, headings }) => [title, text, ...headings].join(' ').toLowerCase().includes(word);
    const all = order ? order.map(made) : documents.filter(has);
    const found = all.filter((document) => passes(document, plain.filter));
    const hits = found.slice(offset, offset + limit).map((document, at) => ({ ...this.hit(document, at, word), ...this.sections(document, at, word, plain.sections) }));
    return {
      query,
      mode,
      hits,
      total: found.length,
      corrections,
      suggestions: all.length === 0 ? this.suggestions : undefined,
      filteredOut: all.length > 0 && found.length === 0 ? true : undefined,
      facets: plain.facets && Object.fromEntries(plain.facets.map((field) => [field, counted(found, field)])),
      stats: { waves: 2, requests: 3, bytes: 40_000, cached: 0 },
      degraded: query.includes('degraded') ? 'keyword-only' : undefined,
    };
  }

  hit({ text, parts, ...document }, at, word) {
    const marks = [];
    for (let from = text.toLowerCase().indexOf(word); from >= 0; from = text.toLowerCase().indexOf(word, from + 1)) {
      marks.push([from, from + word.length]);
    }
    return { ...document, chunk: at, score: 1 / (at + 1), meta: document.meta ?? {}, excerpt: { text, marks }, text: async () => text };
  }

  /** Passages of a document under its `parts`, as many as are asked for; those made up have two. */
  sections({ parts = this.order && ['one', 'two'], ...document }, at, word, most = 0) {
    const sections = parts?.slice(0, most).map((name, part) => {
      const passage = { ...document, headings: [`${document.id} ${name}`], anchor: name, text: `More of ${document.id} on ${name} and ${word}.` };
      return this.hit(passage, 100 * (at + 1) + part, word);
    });
    return sections?.length ? { sections } : {};
  }

  close() {}
}
