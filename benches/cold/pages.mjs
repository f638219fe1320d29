// The pages that are searched: each loads one engine, asks one question and shows five results.

/** Results that a visitor sees at once. */
export const SHOWN = 5;

/** Coracle's element, as a site would write it; the question is typed as soon as the script runs. */
export const coracle = coraclePage('');

/** The same with the hints of the guide, by which the browser fetches everything in the first wave. */
export const hinted = coraclePage(`
<link rel="preload" as="fetch" crossorigin href="/coracle/coracle_bg.wasm">
<link rel="preload" as="fetch" crossorigin href="/coracle/coracle-worker.js">
<link rel="preload" as="fetch" crossorigin href="/search/root.cora">`);

function coraclePage(hints) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cold search</title><link rel="icon" href="data:,">${hints}
<script type="module">
  addEventListener('coracle-results', ({ detail }) => {
    globalThis.shown = { at: performance.now(), titles: detail.hits.map((hit) => hit.title), urls: detail.hits.map((hit) => hit.url) };
  }, true);
  addEventListener('coracle-preview', () => (globalThis.preview ??= performance.now()), true);
  addEventListener('coracle-error', ({ detail }) => (globalThis.shown = { error: String(detail) }), true);
  await import('/coracle/coracle-search.js');
  const input = document.querySelector('coracle-search').shadowRoot.querySelector('input');
  globalThis.ask = (query) => {
    globalThis.shown = undefined;
    input.focus();
    input.value = query;
    input.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true }));
  };
  ask(new URLSearchParams(location.search).get('q'));
</script></head><body><coracle-search limit="${SHOWN}" inline></coracle-search></body></html>`;
}

/** Pagefind's own interface in JavaScript; its ready-made elements would weigh more. */
export const pagefind = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Cold search</title><link rel="icon" href="data:,">
<script type="module">
  const pagefind = await import('/pagefind/pagefind.js');
  globalThis.ask = async (query) => {
    globalThis.shown = undefined;
    const { results } = await pagefind.search(query);
    const top = await Promise.all(results.slice(0, ${SHOWN}).map((result) => result.data()));
    document.querySelector('ol').innerHTML = top.map(({ url, meta, excerpt }) => \`<li><a href="\${url}">\${meta.title}</a><p>\${excerpt}</p></li>\`).join('');
    globalThis.shown = { at: performance.now(), titles: top.map(({ meta }) => meta.title), urls: top.map(({ url }) => url) };
  };
  ask(new URLSearchParams(location.search).get('q'));
</script></head><body><ol></ol></body></html>`;
