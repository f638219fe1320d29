// Rows of the record, and the tables made of them.

/** The recalls at which engines are compared. */
export const TARGETS = [0.95, 0.98];

/**
 * The rows that a peer's program wrote, as rows of the record.
 *
 * Their `setting` and times mean the same as ours; `batch_us` is the CPU time of a query that is one
 * of many in a single call, so without Python's share. Only one of the rows brings the sweep.
 */
export function peerRows(rows, dims) {
  const swept = rows.find((row) => row.sweep);
  const names = Object.keys(swept?.setting ?? {});
  const sweep = (swept?.sweep ?? []).map((tried) => {
    const [recall, us] = tried.slice(-2);
    return [names.map((name, at) => `${name} ${tried[at]}`).join(', '), recall, us];
  });
  return rows.map((row) => ({ ...peerRow(row, dims), sweep: front(sweep) }));
}

/** Of `[setting, recall, µs]` those that no other beats in recall and time, by rising recall. */
export function front(sweep) {
  const byTime = sweep.toSorted((a, b) => a[2] - b[2] || b[1] - a[1]);
  let highest = 0;
  return byTime.filter(([, recall]) => {
    const better = recall > highest;
    highest = Math.max(highest, recall);
    return better;
  });
}

function peerRow(row, dims) {
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
    ...(row.load_ms == null ? {} : { load_ms: row.load_ms }),
    setting: row.setting,
    target: row.target,
    reached: row.reached,
    build_threads: row.build_threads,
    ...(row.batch_cpu_us === undefined ? {} : { batch_us: row.batch_cpu_us }),
  };
}

export const isCoracle = (row) => row.engine.startsWith('coracle');
const site = (row) => (row.runtime === 'native' ? 'native' : 'WebAssembly and JavaScript');

function groupBy(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}

/** Per engine the row with the lowest median that reaches `target`, fastest first. */
export function contest(rows, target) {
  const best = new Map();
  for (const row of rows.filter((row) => row.recall >= target)) {
    const key = `${row.engine} ${row.runtime}`;
    if (!best.has(key) || row.p50_us < best.get(key).p50_us) best.set(key, row);
  }
  return [...best.values()].sort((a, b) => a.p50_us - b.p50_us);
}

const HEADER = ['engine', 'runtime', 'setting', 'recall@10', 'p50 µs', '×', 'p99 µs', 'queries/s', 'batch µs', 'B/vector', '×', 'build s', '×', 'load ms'];

/** Markdown tables: one per place, size and recall, with ratios to the fastest peer there. */
export function tables(rows) {
  const groups = groupBy(rows, (row) => `${site(row)}, ${row.n.toLocaleString('en')} × ${row.dims}`);
  const out = [];
  for (const [name, group] of groups) {
    for (const target of TARGETS) {
      const ranked = contest(group, target);
      const peer = ranked.find((row) => !isCoracle(row));
      const against = peer ? `× is against ${peer.engine}, the fastest peer` : 'no peer to compare with';
      out.push(`**${name}, recall@10 ≥ ${target}**; ${against}`, '');
      out.push(table(HEADER, ranked.map((row) => cells(row, peer)), 3).trimEnd());
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
  return [
    isCoracle(row) ? `**${row.engine}**` : row.engine,
    row.runtime,
    settingText(row.setting),
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
    number(row.load_ms, 1),
  ];
}

const settingText = (setting) => Object.entries(setting).map(([name, value]) => `${name} ${value}`).join(', ');

/** A Markdown table; its first `texts` columns are words, the others numbers. */
function table(header, rows, texts) {
  return [line(header), line(header.map((_, at) => (at < texts ? '---' : '--:'))), ...rows.map(line), ''].join('\n');
}

/** A Markdown table of the searches under filters, each beside the same search without one. */
export function filteredTable(rows) {
  const header = ['engine', 'runtime', 'setting', 'rows admitted', 'recall@10', 'p50 µs', '× without filter', 'p99 µs'];
  const cells = (row) => {
    const open = rows.find((other) => other.engine === row.engine && other.runtime === row.runtime && other.share === 1);
    const admitted = row.share === 1 ? 'all' : `${100 * row.share} % (${row.admitted.toLocaleString('en')})`;
    const times = open && row.share !== 1 ? (row.p50_us / open.p50_us).toFixed(2) : '';
    return [row.engine, row.runtime, settingText(row.setting), admitted, number(row.recall, 4), number(row.p50_us, 1), times, number(row.p99_us, 1)];
  };
  return table(header, rows.map(cells), 3);
}

/** A Markdown table of the same engines over sets that grow: one line per size, engine and runtime. */
export function growthTable(rows) {
  const header = ['rows', 'engine', 'runtime', ...TARGETS.flatMap((target) => [`p50 µs at ${target}`, 'recall@10', 'setting']), 'B/vector', 'build s', 'load ms'];
  const groups = groupBy(rows, (row) => `${row.n} ${row.engine} ${row.runtime}`);
  const cells = (group) => {
    const at = TARGETS.flatMap((target) => {
      const row = group.find((row) => row.target === target);
      return row ? [row.reached ? number(row.p50_us, 1) : 'not reached', number(row.recall, 4), settingText(row.setting)] : ['', '', ''];
    });
    const [{ n, engine, runtime, bytes_per_vector, build_s, load_ms }] = group;
    return [n.toLocaleString('en'), engine, runtime, ...at, number(bytes_per_vector, 0), number(build_s, 1), number(load_ms, 1)];
  };
  return table(header, [...groups.values()].map(cells), 3);
}

/** `text` with what lies between the lines `<!-- name -->` and `<!-- /name -->` replaced. */
export function replaceSection(text, name, content) {
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [start, end] = [text.indexOf(open), text.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`no section between "${open.trim()}" and "${close}"`);
  return text.slice(0, start + open.length) + content + text.slice(end);
}
