// What a search read: the page reads the index's files itself, so that it sees every read and its time.
import { bar, bars, counted, element, kilobytes } from './dom.js';

/** An index's folder as a source that writes down its reads. */
export function recorded(base, log) {
  return {
    async read(file, start, end) {
      const entry = { file, from: performance.now(), to: undefined, bytes: 0 };
      log.push(entry);
      try {
        const headers = start === undefined ? {} : { range: `bytes=${start}-${end - 1}` };
        const response = await fetch(base + file, { headers, cache: file === 'root.cora' ? 'no-cache' : 'default' });
        if (!response.ok) throw Object.assign(new Error(`status ${response.status}`), { status: response.status });
        const bytes = new Uint8Array(await response.arrayBuffer());
        entry.bytes = bytes.length;
        // Some hosts ignore ranges and send the whole file.
        return start !== undefined && response.status === 200 ? bytes.slice(start, end) : bytes;
      } finally {
        entry.to = performance.now();
      }
    },
  };
}

/** Reads that ran side by side: what starts when all before it have ended begins another round. */
function rounds(log) {
  const found = [];
  let end = -Infinity;
  for (const read of log.toSorted((a, b) => a.from - b.from)) {
    if (read.from >= end) found.push([]);
    found.at(-1).push(read);
    end = Math.max(end, read.to ?? read.from);
  }
  return found;
}

/** A small waterfall: a row for each round trip, a line in it for each read. */
export function waterfall(log) {
  if (log.length === 0) return [];
  const first = Math.min(...log.map(({ from }) => from));
  const last = Math.max(...log.map(({ from, to }) => to ?? from));
  const span = Math.max(last - first, 0.1);
  let number = 0;
  const rows = rounds(log).map((reads) => {
    const end = Math.max(...reads.map(({ from, to }) => to ?? from));
    const bytes = reads.reduce((sum, read) => sum + read.bytes, 0);
    const lines = reads.map(({ from, to = from }) => bar((to - from) / span, 'read', (from - first) / span));
    const name = reads.every(({ file }) => file === 'root.cora') ? 'root' : String(++number);
    return [name, element('div', { class: 'lines' }, ...lines), `${counted(reads.length, 'read')}, ${kilobytes(bytes)}, ${Math.round(end - first)} ms`];
  });
  return [bars('Round trips, one after the other', rows)];
}

const contents = {
  terms: 'words, their vectors, short lists',
  postings: 'where frequent words stand',
  spelling: 'spellings',
  quantizer: 'measure of the codes',
  projection: 'projection',
  router: 'the way to the cells',
  cells: 'codes of meaning, by cell',
  codes: 'codes of meaning',
  graph: 'links between neighbours',
  rows: 'finer codes of candidates',
  layout: 'where records lie',
  passages: 'texts of hits',
  documents: 'titles and addresses',
  columns: 'metadata',
  unused: 'came along, not asked for',
};

/** Bytes by section of the index, largest first. */
export function sections(stats) {
  const all = Object.entries(stats.sections).sort((a, b) => b[1] - a[1]);
  if (all.length === 0) return [];
  const most = all[0][1];
  const rows = all.map(([name, bytes]) => [contents[name] ?? name, bar(bytes / most, name === 'unused' ? 'unused' : 'bytes'), kilobytes(bytes)]);
  return [bars('Bytes by what they hold', rows)];
}
