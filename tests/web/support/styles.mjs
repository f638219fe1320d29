// Styles of pages that reach for everything, and what is to be the same with and without them.

/** What page builders and resets do at their worst. */
export const hostile = `
  * { all: unset !important; display: block !important; }
  *, *::before, *::after { box-sizing: content-box !important; color: red !important; font: 40px/3 fantasy !important; text-transform: uppercase !important;
    letter-spacing: 1em !important; visibility: visible !important; background: yellow !important; border: 9px solid lime !important; }
  div, input, button, a, svg, mark, ol, li { position: static !important; width: 9999px !important; height: 7px !important; opacity: 0.1 !important; }
  [hidden] { display: block !important; }`;

/** The hosts are the page's, and what is inherited from them; all else is the elements' own. */
export const inherited = `
  html { font-size: 16px !important; }
  coracle-search, coracle-facets, coracle-results, coracle-ask { font: 16px sans-serif !important; color: #16202a !important; letter-spacing: normal !important;
    text-transform: none !important; display: block !important; width: 800px !important; box-sizing: border-box !important; }`;

/** Sizes and looks of every part that shows, without what a page may rightly set: the host's own place. */
export const looks = (page) =>
  page.evaluate(() => {
    const told = [];
    for (const host of document.querySelectorAll('coracle-search, coracle-facets, coracle-results, coracle-ask')) {
      for (const part of host.shadowRoot.querySelectorAll('[part]')) {
        if (!part.checkVisibility()) continue;
        const { color, backgroundColor, borderTopWidth, position, display, opacity, fontFamily, textTransform, letterSpacing } = getComputedStyle(part);
        const { height } = part.getBoundingClientRect();
        told.push({ part: part.getAttribute('part'), height: Math.round(height), color, backgroundColor, borderTopWidth, position, display, opacity, fontFamily, textTransform, letterSpacing });
      }
    }
    return told;
  });
