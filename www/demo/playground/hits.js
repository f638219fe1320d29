// Hits with the parts of their scores.
import { bar, bars, element } from './dom.js';

const rounded = (score) => score.toFixed(3);

/**
 * Weight of meaning that the index used where the search named none: the one by which the parts of
 * the hits' scores make the scores.
 */
function weightOf(hits) {
  const solved = hits.flatMap(({ score, explain: { keyword, vector, complete, weight, support } }) => {
    const apart = (vector?.normalised ?? 0) - (keyword?.normalised ?? 0);
    if (!vector || Math.abs(apart) < 0.05) return [];
    return [((score - support) / weight - (complete ? 1 : 0) - (keyword?.normalised ?? 0)) / apart];
  });
  return solved.sort((a, b) => a - b)[solved.length >> 1];
}

/** How the parts of a score make it: its terms and their sum. */
function formula({ mode, fusion, alpha }, { keyword, vector, complete, weight, support }) {
  const [words, meaning] = [keyword?.normalised ?? 0, vector?.normalised ?? 0];
  const place = (part) => (part?.rank ? 1 / (60 + part.rank) : 0);
  let [text, sum] = ['', 0];
  if (mode === 'keyword') [text, sum] = [rounded(words), words];
  else if (mode === 'vector') [text, sum] = [rounded(vector?.score ?? 0), vector?.score ?? 0];
  else if (fusion === 'rrf') {
    const parts = [keyword, vector].filter((part) => part?.rank).map((part) => `1 ÷ (60 + ${part.rank})`);
    [text, sum] = [parts.join(' + '), place(keyword) + place(vector)];
  } else if (alpha !== undefined) {
    text = `${alpha.toFixed(2)} × ${rounded(meaning)} + ${(1 - alpha).toFixed(2)} × ${rounded(words)}`;
    sum = alpha * meaning + (1 - alpha) * words;
  } else return undefined;
  if (complete) [text, sum] = [`${text} + 1`, sum + 1];
  if (weight !== 1) [text, sum] = [`(${text}) × ${weight}`, sum * weight];
  if (support > 0) [text, sum] = [`${text} + ${rounded(support)}`, sum + support];
  return { text, sum };
}

/** Why the score is what it is, in a sentence for each thing that is special about it. */
function remarks(hits, at, made) {
  const { score, explain } = hits[at];
  const said = [];
  if (explain.complete) said.push('It is one of at most ten passages with both words of the query, which adds 1.');
  if (explain.weight !== 1) said.push(`Its page was given the weight ${explain.weight}.`);
  if (explain.support > 0) said.push(`Other passages of its page add ${rounded(explain.support)}.`);
  if (explain.vector && !explain.rescored) said.push('Its score by meaning is an estimate by coarse codes.');
  if (at === 0 && made && Math.abs(made.sum - score) > 0.005) {
    said.push('The title or address of its page is the query: such a page goes first, with the score of the hit that was first.');
  }
  return said;
}

function part(name, kind, found) {
  if (!found) return [name, bar(0, kind), name === 'Words' ? 'none of them' : 'no candidate'];
  const place = found.rank ? `, place ${found.rank}` : '';
  return [name, bar(found.normalised, kind), `${rounded(found.normalised)}${place}`];
}

/** The excerpt with what was found in it marked. */
function excerpt({ text, marks }) {
  const out = [];
  let at = 0;
  for (const [start, end] of marks) {
    out.push(text.slice(at, start), element('mark', {}, text.slice(start, end)));
    at = end;
  }
  return [...out, text.slice(at)];
}

/** Only addresses of pages are followed. */
function address({ url, anchor }, base) {
  const made = URL.canParse(url, base) ? new URL(url, base) : undefined;
  if (!made || !/^https?:$/.test(made.protocol)) return undefined;
  if (anchor) made.hash = anchor;
  return made.href;
}

/** The rows of a result. `asked` are the options of the search. */
export function rows({ hits, mode }, asked, base) {
  const fused = { mode, fusion: asked.fusion, alpha: asked.alpha ?? weightOf(hits) };
  return hits.map((hit, at) => {
    const { explain } = hit;
    const made = formula(fused, explain);
    const headings = hit.headings.filter((heading) => heading && heading !== hit.title);
    const parts = [];
    if (mode !== 'vector') parts.push(part('Words', 'words', explain.keyword));
    if (mode !== 'keyword') parts.push(part('Meaning', 'meaning', explain.vector));
    const most = Math.max(...explain.terms.map(({ score }) => score), 1);
    const terms = explain.terms.map(({ term, score }) => [term, bar(score / most, 'words'), String(score)]);
    const sums = made && Math.abs(made.sum - hit.score) <= 0.005;
    return element(
      'li',
      { id: `hit-${at + 1}`, tabindex: '-1' },
      element('h3', {}, element('a', { href: address(hit, base) }, hit.title || hit.id), element('span', { class: 'score' }, rounded(hit.score))),
      ...(headings.length > 0 ? [element('p', { class: 'headings' }, headings.join(' › '))] : []),
      element('p', { class: 'excerpt' }, ...excerpt(hit.excerpt)),
      bars('Parts of the score, 1 is the best of this query', parts),
      ...(sums ? [element('p', { class: 'formula' }, `${made.text} = ${rounded(hit.score)}`)] : []),
      ...remarks(hits, at, made).map((text) => element('p', { class: 'remark' }, text)),
      ...(terms.length > 0 ? [element('details', {}, element('summary', {}, 'What each word gave'), bars('Words as the index has them', terms))] : []),
    );
  });
}
