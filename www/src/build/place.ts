/** Address of a page → the file that `coracle build` gives this address to. */
import { usage } from './error.js';
import type { UrlStyle } from './index.js';

/** Where addresses without a host are, while they are taken apart. */
const NOWHERE = 'http://localhost';

/**
 * The path, below a folder that is indexed with this base and style, of the page that is to be at `url`:
 * a whole address below the base, or one relative to it.
 */
export function fileOf(url: string, base: string, style: UrlStyle): string {
  const refuse = (why: string, hint: string) => usage(`addHTML: ${JSON.stringify(url)} ${why}`, hint);
  const whole = new URL(base.endsWith('/') ? base : `${base}/`, NOWHERE);
  if (!URL.canParse(url, whole)) throw refuse('is no address', 'give a path or an http(s) address');
  const asked = new URL(url, whole);
  if (!asked.href.startsWith(whole.href)) throw refuse(`is not below ${base}`, 'correct it, or baseUrl');
  const record = 'add it by addRecord, which takes any address';
  if (asked.search || asked.hash) throw refuse('has a query or a fragment', record);
  const path = decoded(asked.pathname.slice(whole.pathname.length));
  if (path === undefined) throw refuse('is not encoded as UTF-8', 'correct it');
  const parts = path.replace(/\/$/, '').split('/');
  if (path !== '' && parts.some((part) => part === '' || part === 'node_modules' || part.startsWith('.'))) {
    throw refuse('has a part that is hidden from indexing', record);
  }
  if (/\.(html|htm|xhtml)$/.test(path)) return path;
  if (path === '' || path.endsWith('/')) {
    if (style === 'file') throw refuse('is no file, and the style of addresses is "file"', 'name the file, as in /guide/index.html');
    return `${path}index.html`;
  }
  if (style === 'clean') return `${path}.html`;
  throw refuse('has neither a slash nor .html at its end', 'end it as your site does, or give the option urlStyle: "clean"');
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
