// The playground: one search after the other, each with its reasons, its cost and its place on the map.
import { open } from '/coracle/coracle-search.js';
import { counted, element, kilobytes } from './dom.js';
import { rows } from './hits.js';
import { drawMap, readMap } from './map.js';
import { recorded, sections, waterfall } from './reads.js';

const DEBOUNCE_MS = 150;
const place = (name) => document.querySelector(`[data-${name}]`);
const form = place('form');
const list = place('hits');
const parameters = new URLSearchParams(location.search);
const base = new URL(`${parameters.get('index') ?? '/search/'}/`.replace(/\/+$/, '/'), location.href).href;
for (const { name } of form.elements) if (parameters.has(name)) form.elements[name].value = parameters.get(name);

let log = [];
let opened;
let map;
let stop = new AbortController();
let timer;

/** Opens the index anew, with nothing in memory. Nothing is kept for later either: reads are to be seen. */
function openAnew() {
  opened?.then((index) => index.close()).catch(() => {});
  log = [];
  // Reads of the index that is given up belong to nobody.
  const source = recorded(base, log);
  opened = open(source, { keep: false });
  opened.catch(() => {});
}

function options() {
  const { mode, alpha, fusion, diversity, group } = Object.fromEntries(new FormData(form));
  const asked = { mode, group, explain: true, limit: 10 };
  if (alpha !== '') asked.alpha = Number(alpha);
  if (fusion !== '') asked.fusion = fusion;
  if (diversity !== '') asked.diversity = Number(diversity);
  return asked;
}

async function search() {
  stop.abort();
  const { signal } = (stop = new AbortController());
  const query = form.elements.q.value.trim();
  remember();
  if (query === '') return clear('');
  try {
    const index = await opened;
    signal.throwIfAborted();
    const asked = options();
    if (!index.info.embedder) asked.mode = 'keyword';
    const started = performance.now();
    const result = await index.search(query, { ...asked, signal });
    signal.throwIfAborted();
    show(result, asked, started);
    if (map === undefined) await prepareMap(index);
    signal.throwIfAborted();
    map?.show(result.hits);
  } catch (thrown) {
    if (signal.aborted) return;
    clear(`That did not work: ${thrown.message}`);
    // The next search tries again.
    openAnew();
  }
}

async function prepareMap(index) {
  map = null;
  const found = await readMap(base, index.info.buildId);
  if (found) map = drawMap(place('map'), found);
  else place('map').replaceChildren(element('p', { class: 'note' }, 'There is no map of this build of the index beside it: coracle inspect INDEX --map INDEX/map.json makes one.'));
}

function show(result, asked, started) {
  const { hits, total, corrections, stats, degraded } = result;
  const said = [`${counted(hits.length, 'hit')} of ${total.toLocaleString('en')}, in ${Math.round(performance.now() - started)} ms.`];
  for (const { from, to } of corrections) said.push(`Searched “${to}” instead of “${from}”.`);
  if (degraded) said.push('By words alone.');
  place('status').textContent = said.join(' ');
  list.replaceChildren(...rows(result, asked, base));
  const memory = `${counted(stats.cached, 'read')} answered from memory`;
  place('cost').textContent =
    stats.requests === 0
      ? `Nothing was read: ${memory}.`
      : `${kilobytes(stats.bytes)} in ${counted(stats.requests, 'read')} and ${counted(stats.waves, 'round trip')}; ${memory}.`;
  // Not what a search read that was given up; opening the index belongs to the first one.
  const reads = log.splice(0).filter(({ file, from }) => from >= started || file === 'root.cora');
  place('reads').replaceChildren(...waterfall(reads));
  place('sections').replaceChildren(...sections(stats));
}

function clear(said) {
  place('status').textContent = said;
  for (const name of ['hits', 'reads', 'sections']) place(name).replaceChildren();
  place('cost').textContent = '';
  map?.show([]);
}

/** The address leads back to what is shown. */
function remember() {
  const kept = new URLSearchParams();
  if (parameters.has('index')) kept.set('index', parameters.get('index'));
  for (const [name, value] of new FormData(form)) {
    const field = form.elements[name];
    const standard = field.options ? field.options[0].value : '';
    if (value !== standard) kept.set(name, value);
  }
  history.replaceState(null, '', `?${kept}`);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(timer);
  search();
});
form.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(search, DEBOUNCE_MS);
});
place('forget').addEventListener('click', () => {
  openAnew();
  search();
});
for (const [on, off] of [['pointerover', 'pointerleave'], ['focusin', 'focusout']]) {
  list.addEventListener(on, ({ target }) => map?.point(target.closest('li')?.id.slice('hit-'.length)));
  list.addEventListener(off, () => map?.point());
}

openAnew();
search();
