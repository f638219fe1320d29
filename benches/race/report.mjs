// Rows of the record, and the tables made of them.

/** The recalls at which engines are compared. */
export const TARGETS = [0.95, 0.98];

/**
 * A row as the peers' programs write it, as a row of the record.
 *
 * Their `setting` and times mean the same as ours; `batch_us` is the CPU time of a query that is one
 * of many in a single call, so without Python's share.
 */
export function peerRow(row, dims) {
  return {
    engine: row.peer,
    version: row.version,
    runtime: row.runtime.split(' ')[0],
    n: row.n,
    dims,
    recall: row.recall10,
    p50_us: row.p50_us,
    p99_us: row.p99_us,
    qps: row.qps,
    bytes_per_vector: row.bytes_per_vec,
    build_s: row.build_s,
    setting: row.setting,
    target: row.target,
    reached: row.reached,
    build_threads: row.build_threads,
    ...(row.batch_cpu_us === undefined ? {} : { batch_us: row.batch_cpu_us }),
  };
}

const isCoracle = (row) => row.engine.startsWith('coracle');
const site = (row) => (row.runtime === 'native' ? 'native' : 'WebAssembly and JavaScript');

/** Per engine the row with the lowest median that reaches `target`, fastest first. */
export function contest(rows, target) {
  const best = new Map();
  for (const row of rows.filter((row) => row.recall >= target)) {
    const key = `${row.engine} ${row.runtime}`;
    if (!best.has(key) || row.p50_us < best.get(key).p50_us) best.set(key, row);
  }
  return [...best.values()].sort((a, b) => a.p50_us - b.p50_us);
}

const HEADER = ['engine', 'runtime', 'setting', 'recall@10', 'p50 µs', '×', 'p99 µs', 'queries/s', 'batch µs', 'B/vector', '×', 'build s', '×'];

/** Markdown tables: one per place, size and recall, with ratios to the fastest peer there. */
export function tables(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = `${site(row)}, ${row.n.toLocaleString('en')} × ${row.dims}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const out = [];
  for (const [name, group] of groups) {
    for (const target of TARGETS) {
      const ranked = contest(group, target);
      const peer = ranked.find((row) => !isCoracle(row));
      const against = peer ? `× is against ${peer.engine}, the fastest peer` : 'no peer to compare with';
      out.push(`**${name}, recall@10 ≥ ${target}**; ${against}`, '');
      out.push(line(HEADER), line(HEADER.map((_, at) => (at < 3 ? '---' : '--:'))));
      out.push(...ranked.map((row) => line(cells(row, peer))));
      const short = [...new Set(group.map((row) => row.engine))].filter((engine) => !ranked.some((row) => row.engine === engine));
      if (short.length) out.push('', `Not reached by: ${short.map((engine) => `${engine} (${highest(group, engine)})`).join(', ')}.`);
      out.push('');
    }
  }
  return out.join('\n');
}

const highest = (rows, engine) => Math.max(...rows.filter((row) => row.engine === engine).map((row) => row.recall)).toFixed(3);

const line = (cells) => `| ${cells.join(' | ')} |`;
const number = (value, digits) => (value == null ? '' : value.toFixed(digits));
const ratio = (row, peer, field) => (peer?.[field] && row[field] != null ? (row[field] / peer[field]).toFixed(2) : '');

function cells(row, peer) {
  const setting = Object.entries(row.setting).map(([name, value]) => `${name} ${value}`).join(', ');
  return [
    isCoracle(row) ? `**${row.engine}**` : row.engine,
    row.runtime,
    setting,
    number(row.recall, 4),
    number(row.p50_us, 1),
    ratio(row, peer, 'p50_us'),
    number(row.p99_us, 1),
    number(row.qps, 0),
    number(row.batch_us, 1),
    number(row.bytes_per_vector, 0),
    ratio(row, peer, 'bytes_per_vector'),
    number(row.build_s, 1),
    ratio(row, peer, 'build_s'),
  ];
}

/** `text` with what lies between the lines `<!-- name -->` and `<!-- /name -->` replaced. */
export function replaceSection(text, name, content) {
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [start, end] = [text.indexOf(open), text.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`no section between "${open.trim()}" and "${close}"`);
  return text.slice(0, start + open.length) + content + text.slice(end);
}
