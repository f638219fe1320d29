// The race in pictures: Vega-Lite specifications of the record's rows, rendered without a browser.
import { contest, isCoracle } from './report.mjs';

/** Recalls shown; below them nobody searches. */
const RECALL = [0.9, 1];
const RUNTIMES = { native: 'native', node: 'Node', chromium: 'Chromium' };

/** Size of the plot, in pixels. */
const [WIDTH, HEIGHT] = [640, 400];

/** Ours are drawn broad, and in colours that no peer has. */
const OURS = {
  'coracle-cells-1': '#74a9cf', 'coracle-cells-2': '#045a8d', 'coracle-cells-3': '#2b8cbe',
  'coracle-hnsw': '#d94801', 'coracle-scan': '#fd8d3c',
};
/** hnswlib is the peer that everybody knows; the others take what is left, in the order of their names. */
const HNSWLIB = '#252525';
const PEERS = ['#238b45', '#74c476', '#6a51a3', '#9e9ac8', '#7f4f24', '#b5838d', '#8c8c00', '#969696', '#c51b8a', '#41ab9d'];

/**
 * The pictures of the record by their file names; those without data are left out.
 *
 * @param {object[]} rows
 * @returns {Promise<Record<string, string>>} SVG
 */
export async function draw(rows) {
  const drawn = Object.entries(specs(rows)).map(async ([name, spec]) => [name, await svg(spec)]);
  return Object.fromEntries(await Promise.all(drawn));
}

/** A Vega-Lite specification as SVG. */
export async function svg(spec) {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  const drawn = await view.toSVG();
  view.finalize();
  return drawn;
}

/** The specifications of the pictures that `rows` are enough for. */
export function specs(rows) {
  const n = Math.max(...rows.filter((row) => row.runtime === 'native').map((row) => row.n));
  const here = rows.filter((row) => row.n === n);
  const native = here.filter((row) => row.runtime === 'native');
  const web = here.filter((row) => row.runtime !== 'native');
  const colours = palette(rows);
  const size = `${n.toLocaleString('en')} × ${rows[0]?.dims}`;
  const subtitle = 'Right and down is better. Ours and JavaScript: median of single queries; Python peers: CPU time per query within one call.';
  const all = [
    ['recall-native.svg', native, () => curves(native, colours, `Native, ${size}, one thread`, subtitle)],
    ['recall-wasm.svg', web, () => curves([...web, ...native.filter((row) => row.engine === 'hnswlib')], colours, `WebAssembly, ${size}, one thread`, subtitle)],
    ['bytes.svg', contest(native, 0.95), () => bytes(native, colours, `Native, ${size}, recall@10 ≥ 0.95`)],
  ];
  return Object.fromEntries(all.filter(([, rows]) => rows.length).map(([name, , spec]) => [name, spec()]));
}

/** The colour of every engine of the record: the same in all pictures. */
function palette(rows) {
  const peers = [...new Set(rows.map((row) => row.engine))].filter((engine) => !OURS[engine] && engine !== 'hnswlib').sort();
  return { ...OURS, hnswlib: HNSWLIB, ...Object.fromEntries(peers.map((engine, at) => [engine, PEERS[at % PEERS.length]])) };
}

/** A scale of the engines in `rows`, in the order of the legend: ours, then peers. */
function scale(rows, colours) {
  const domain = Object.keys(colours).filter((engine) => rows.some((row) => row.engine === engine));
  return { domain, range: domain.map((engine) => colours[engine]) };
}

/** What all pictures have in common. */
export const frame = (title, subtitle, more) => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 12,
  width: WIDTH,
  height: HEIGHT,
  title: { text: title, subtitle, anchor: 'start', subtitleColor: '#555', offset: 12 },
  config: { font: 'system-ui, sans-serif', axis: { gridColor: '#e5e5e5', labelFontSize: 11, titleFontSize: 12 } },
  ...more,
});

/** Recall against time: one line per engine and runtime. */
function curves(rows, colours, title, subtitle) {
  const lines = new Map(rows.map((row) => [`${row.engine} ${row.runtime}`, row]));
  const values = [...lines].flatMap(([line, row]) =>
    row.sweep.map(([setting, recall, us]) => ({ line, engine: row.engine, runtime: RUNTIMES[row.runtime] ?? row.runtime, ours: isCoracle(row), setting, recall, us })));
  const times = values.filter(({ recall }) => recall >= RECALL[0]).map(({ us }) => us);
  const runtimes = [...new Set(values.map(({ runtime }) => runtime))];
  return frame(title, subtitle, {
    data: { values },
    encoding: {
      x: { field: 'recall', type: 'quantitative', title: 'recall@10', scale: { domain: RECALL }, axis: { format: '.2f', tickCount: 11 } },
      y: { field: 'us', type: 'quantitative', title: 'µs per query (log)', scale: { type: 'log', domain: [Math.min(...times) * 0.9, Math.max(...times) * 1.1] }, axis: ticks(times) },
      color: { field: 'engine', type: 'nominal', scale: scale(rows, colours), title: null, legend: { labelLimit: 240, symbolType: 'stroke', symbolStrokeWidth: 3 } },
      detail: { field: 'line' },
      order: { field: 'recall', type: 'quantitative' },
    },
    layer: [
      {
        mark: { type: 'line', clip: true },
        encoding: {
          strokeWidth: { condition: { test: 'datum.ours', value: 2.6 }, value: 1.4 },
          strokeDash: runtimes.length < 2 ? { value: [1, 0] } : { field: 'runtime', type: 'nominal', title: null, scale: { domain: ['Node', 'Chromium', 'native'], range: [[1, 0], [6, 3], [2, 2]] } },
        },
      },
      {
        transform: [{ filter: `datum.recall >= ${RECALL[0]}` }],
        mark: { type: 'point', filled: true, opacity: 1 },
        encoding: { size: { condition: { test: 'datum.ours', value: 22 }, value: 12 } },
      },
    ],
  });
}

/** Round numbers for a logarithmic axis over `values`. */
function ticks(values, digits = [1, 2, 3, 5, 7]) {
  const steps = digits.flatMap((digit) => [-1, 0, 1, 2, 3, 4, 5].map((power) => digit * 10 ** power));
  return { values: steps.filter((step) => step >= Math.min(...values) * 0.9 && step <= Math.max(...values) * 1.1).sort((a, b) => a - b), format: ',' };
}

/** Gives every value a height for its `label`, above its own where names would cover each other. */
function placeLabels(values, bytes, us) {
  const [wide, high] = [150 / WIDTH, 13 / HEIGHT];
  const share = (value, [low, top]) => Math.log(value / low) / Math.log(top / low);
  const placed = [];
  for (const value of values.toSorted((a, b) => a.us - b.us)) {
    const x = share(value.bytes, bytes);
    let y = share(value.us, us);
    for (const other of placed) if (Math.abs(other.x - x) < wide && Math.abs(other.y - y) < high) y = other.y + high;
    placed.push({ x, y });
    value.label = us[0] * (us[1] / us[0]) ** y;
  }
}

/** Bytes against time: one point per engine that reaches the recall. */
function bytes(rows, colours, title) {
  const values = contest(rows, 0.95).map((row) => ({ engine: row.engine, ours: isCoracle(row), bytes: row.bytes_per_vector, us: row.p50_us }));
  const span = (field) => [Math.min(...values.map((value) => value[field])) * 0.85, Math.max(...values.map((value) => value[field])) * 1.35];
  placeLabels(values, span('bytes'), span('us'));
  return frame(title, 'Left and down is better. Time: median of single queries; of Python peers 3 to 10 µs are the call.', {
    data: { values },
    encoding: {
      x: { field: 'bytes', type: 'quantitative', title: 'bytes per vector, on disk (log)', scale: { type: 'log', domain: span('bytes'), nice: false }, axis: ticks(values.map(({ bytes }) => bytes), [1, 1.5, 2, 3, 4, 5, 6, 8]) },
      y: { field: 'us', type: 'quantitative', title: 'p50 µs (log)', scale: { type: 'log', domain: span('us'), nice: false }, axis: ticks(values.map(({ us }) => us)) },
      color: { field: 'engine', type: 'nominal', scale: scale(values, colours), legend: null },
    },
    layer: [
      { mark: { type: 'point', filled: true, opacity: 1 }, encoding: { size: { condition: { test: 'datum.ours', value: 130 }, value: 60 } } },
      { mark: { type: 'text', align: 'left', dx: 9, fontSize: 11 }, encoding: { y: { field: 'label', type: 'quantitative' }, text: { field: 'engine' } } },
    ],
  });
}
