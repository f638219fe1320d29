// The corpus as a plane: a point for every passage, from `coracle inspect --map`; hits on top of it.
import { counted, drawn, element } from './dom.js';

const SIDE = 1000;
/** Room around the outermost points. */
const EDGE = 16;
const WIDTH = SIDE + 2 * EDGE;
/** Pixels from the pointer to the point that it means. */
const REACH = 14;

/** Reads the map of an index; none if there is none, or it is that of another build. */
export async function readMap(base, buildId) {
  const response = await fetch(`${base}map.json`).catch(() => undefined);
  if (!response?.ok) return undefined;
  const map = await response.json().catch(() => undefined);
  return map?.build_id === buildId ? map : undefined;
}

/** Draws a map into a place; `show` puts hits on it. */
export function drawMap(place, map) {
  const height = map.y.reduce((most, y) => Math.max(most, y), SIDE / 2) + 2 * EDGE;
  const canvas = element('canvas', { 'aria-hidden': 'true' });
  const marks = drawn('svg', { viewBox: `${-EDGE} ${-EDGE} ${WIDTH} ${height}`, role: 'group', 'aria-label': 'Hits on the map' });
  const tip = element('p', { class: 'tip', 'aria-hidden': 'true', hidden: '' });
  const plane = element('div', { class: 'plane' }, canvas, marks, tip);
  plane.style.aspectRatio = `${WIDTH} / ${height}`;
  let chosen;
  const legend = map.groups.map(({ titles, chunks }, group) => {
    const swatch = element('span', { class: `swatch group-${group}` });
    const button = element('button', { type: 'button', 'aria-pressed': 'false' }, swatch, titles.join(', ') || `group ${group + 1}`, element('span', { class: 'count' }, ` ${chunks}`));
    button.addEventListener('click', () => {
      chosen = chosen === group ? undefined : group;
      for (const [at, other] of legend.entries()) other.setAttribute('aria-pressed', String(at === chosen));
      paint();
    });
    return button;
  });
  const note = element(
    'p',
    { class: 'note' },
    `${counted(map.x.length, 'passage')} of ${counted(map.documents.length, 'page')}. Near points are of like meaning, as far as a plane can show it: `
      + 'these are the two of many directions in which they differ most. Colours are groups in sixteen of them, named by the pages that most of their passages are from.',
  );
  place.replaceChildren(plane, element('ul', { class: 'legend' }, ...legend.map((button) => element('li', {}, button))), note);

  function paint() {
    const { width } = plane.getBoundingClientRect();
    const scale = width / WIDTH;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * scale * devicePixelRatio;
    const context = canvas.getContext('2d');
    context.scale(devicePixelRatio * scale, devicePixelRatio * scale);
    context.translate(EDGE, EDGE);
    // Colours are those of the page's own style, so that they follow its theme.
    const colours = legend.map((button) => getComputedStyle(button.firstChild).color);
    const radius = Math.max(1.2, Math.min(4.5, 90 / Math.sqrt(map.x.length))) / scale;
    for (let chunk = 0; chunk < map.x.length; chunk++) {
      const group = map.group[chunk];
      context.globalAlpha = chosen === undefined ? 0.6 : chosen === group ? 0.9 : 0.1;
      context.fillStyle = colours[group];
      context.beginPath();
      context.arc(map.x[chunk], map.y[chunk], radius, 0, 2 * Math.PI);
      context.fill();
    }
    marks.style.setProperty('--unit', String(1 / scale));
  }

  plane.addEventListener('pointermove', ({ clientX, clientY }) => {
    const { left, top, width } = plane.getBoundingClientRect();
    const on = (coordinate) => ((coordinate + EDGE) * width) / WIDTH;
    const away = (chunk) => Math.hypot(on(map.x[chunk]) - (clientX - left), on(map.y[chunk]) - (clientY - top));
    let nearest = 0;
    for (let chunk = 1; chunk < map.x.length; chunk++) if (away(chunk) < away(nearest)) nearest = chunk;
    tip.hidden = map.x.length === 0 || away(nearest) > REACH;
    if (tip.hidden) return;
    tip.textContent = map.documents[map.document[nearest]][0];
    tip.style.left = `${Math.min(on(map.x[nearest]), width - tip.offsetWidth - 4)}px`;
    tip.style.top = `${on(map.y[nearest]) + 10}px`;
  });
  plane.addEventListener('pointerleave', () => (tip.hidden = true));
  new ResizeObserver(paint).observe(plane);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);

  return {
    show(hits) {
      // The best one last, so that it lies on top.
      const made = hits.map((hit, at) => {
        const [x, y] = [map.x[hit.chunk] ?? 0, map.y[hit.chunk] ?? 0];
        const name = `Hit ${at + 1}: ${hit.title || hit.id}`;
        const spot = drawn('g', {}, drawn('circle', { r: '9' }), drawn('text', { y: '4' }, String(at + 1)));
        const link = drawn('a', { href: `#hit-${at + 1}`, 'aria-label': name, transform: `translate(${x} ${y})`, 'data-hit': at + 1 }, spot);
        return link;
      });
      marks.replaceChildren(...made.reverse());
    },
    /** Lifts one hit out of the others, or none. */
    point(number) {
      for (const mark of marks.children) mark.classList.toggle('pointed', mark.dataset.hit === String(number));
    },
  };
}
