/**
 * Coracle in JavaScript: open an index, search it, read the hits.
 *
 * ```js
 * import { open } from '@coracle-search/coracle';
 *
 * const index = await open('/search/');
 * const { hits } = await index.search('how do I install it?');
 * console.log(hits[0].title, await hits[0].text());
 * ```
 *
 * The same interface runs in browsers (search happens in a worker thread), in Cloudflare's workerd,
 * and in Node, Deno and Bun; the package's `exports` choose the right host. All ranking is done by
 * one WebAssembly module, so that every host returns the same ids and the same scores.
 */
import { openOn } from '#host';

export { CoracleError } from './error.js';

/** How hits are found: by words and meaning together, by words alone, by meaning alone. */
export type Mode = 'hybrid' | 'keyword' | 'vector';

/** A value of a metadata field. */
export type Scalar = string | number | boolean;

/**
 * What a metadata field must satisfy. A field may have several values: it satisfies a condition if one
 * of them does. A bare list means *one of these*.
 */
export type Condition = Scalar | Scalar[] | Comparison;

/** Comparisons of a field's values; several in one object must all hold. */
export interface Comparison {
  /** One value is this. */
  eq?: Scalar;
  /** One value is one of these; `any` is another name for it. */
  in?: Scalar[];
  any?: Scalar[];
  /** Every one of these is among the values. */
  all?: Scalar[];
  /** None of these is among the values. */
  none?: Scalar[];
  /** One value lies within all of the bounds. Numbers, or texts by their bytes (ISO 8601 dates). */
  gt?: number | string;
  gte?: number | string;
  lt?: number | string;
  lte?: number | string;
  /** Whether the field has a value at all. */
  exists?: boolean;
  /** This does not hold. */
  not?: Condition;
}

/**
 * A condition on documents' metadata. Several keys in one object must all hold.
 *
 * ```js
 * { lang: 'en' }
 * { lang: ['en', 'de'], year: { gte: 2020, lt: 2024 } }
 * { tag: { all: ['cli', 'reference'] }, draft: { exists: false } }
 * { or: [{ section: 'guide' }, { not: { draft: true } }] }
 * ```
 *
 * `and`, `or` and `not` combine filters; so do `all`, `any` and `none`. A field of such a name is
 * reached by `{ field: { name: 'and', eq: 1 } }`.
 */
export type Filter = { [field: string]: Condition | Filter | Filter[] };

/** What one search may ask for. */
export interface SearchOptions {
  /** Default: `hybrid`, or `keyword` where the index has no vectors. */
  mode?: Mode;
  /** Hits to return, 1 to 100; default 10. */
  limit?: number;
  /** Hits to skip, for the next page; together with `limit` at most 100. Default 0. */
  offset?: number;
  /** Only documents whose metadata satisfies this. */
  filter?: Filter;
  /** Metadata fields whose values are to be counted over everything found. */
  facets?: string[];
  /** How the two rankings become one: weighted sum of normalised scores, or reciprocal ranks. */
  fusion?: 'convex' | 'rrf';
  /** Weight of meaning against words in convex fusion, 0 to 1; default: that of the index, up to 0.8. */
  alpha?: number;
  /** Adds to every hit how its score came about. */
  explain?: boolean;
  /** An embedding of the query, made by the index's own embedding model; replaces the built-in one. */
  vector?: ArrayLike<number>;
  /** How much hits are to differ from those above them, 0 (default) to 1; needs vectors. */
  diversity?: number;
  /** `document` (default) keeps the best chunk of each document, `chunk` returns all of them. */
  group?: 'document' | 'chunk';
  /** Further sections of its document that each hit carries at most, up to 5; default 0. None where a hit is a chunk. */
  sections?: number;
  /** Treats the last word as unfinished: it also matches words that begin with it. */
  prefix?: boolean;
  /** Reads all cells of a large index and all lists of its words, and searches as far as its build measured to be necessary. */
  exact?: boolean;
  /** Milliseconds after which the search rejects with the code `timeout`; default 30,000. */
  timeout?: number;
  /** Ends the search early: the promise rejects with the signal's reason and reading stops. */
  signal?: AbortSignal;
  /**
   * Is called with the answer by words where a search by words and meaning takes longer than that; it is given
   * a second search, which ends with the first. If only the first fails, the promise rejects after this call.
   */
  preview?: (result: SearchResult) => void;
}

/** A piece of a chunk's text around the words that were found. */
export interface Excerpt {
  /** Plain text. Never HTML: show it as text. */
  text: string;
  /** What to highlight: pairs of start and end in UTF-16 units of `text`, ascending, apart. */
  marks: [number, number][];
}

/** One thing found. */
export interface Hit {
  /** Identifier of the document, as its input named it. */
  id: string;
  /** Ordinal of the chunk in the index. */
  chunk: number;
  /** Larger is better; comparable within one result only. */
  score: number;
  /** Title of the document. */
  title: string;
  /** Where the document is found, as the build recorded it; `url#anchor` leads to the chunk. */
  url: string;
  /** Headings above the chunk, outermost first, without the title. */
  headings: string[];
  /** Fragment of the nearest heading, without `#`; may be empty. */
  anchor: string;
  /** Metadata of the document. */
  meta: Record<string, unknown>;
  /** Text to show under the title. */
  excerpt: Excerpt;
  /** Reads the chunk's whole text. Costs a read the first time. */
  text(): Promise<string>;
  /** How the score came about, where `explain` asked for it. */
  explain?: Explanation;
  /** What else of the document matched well, best first, where `sections` asked for it: hits under other headings. */
  sections?: Hit[];
}

/** A hit's place in one of the two rankings. */
export interface Part {
  /** By words: sum of the terms' impacts. By meaning: inner product with the query's embedding. */
  score: number;
  /** The score as it enters convex fusion. */
  normalised: number;
  /** Place in the ranking, best 1. */
  rank?: number;
}

/** How a hit's score came about. */
export interface Explanation {
  /** By words; absent where no word matched. */
  keyword?: Part;
  /** By meaning; absent where it was not a candidate. */
  vector?: Part;
  /** What each term added to the score by words. */
  terms: { term: string; score: number }[];
  /** Whether the score by meaning comes from the finer codes. */
  rescored: boolean;
  /** Whether it holds both words of a query of two where at most ten passages do, which puts it first. */
  complete: boolean;
  /** Factor that the document was given at build time. */
  weight: number;
  /** What other passages of its document add to the score; 0 for hits that are single passages. */
  support: number;
}

/** What a search cost. */
export interface SearchStats {
  /** Rounds of parallel reads, each waiting for the one before. */
  waves: number;
  /** Reads sent to the source. */
  requests: number;
  /** Bytes that came back. */
  bytes: number;
  /** Reads answered from memory. */
  cached: number;
  /** Bytes by section of the index; `unused` are those that came along. */
  sections: Record<string, number>;
}

/** The answer to a search. */
export interface SearchResult {
  /** The query as it was asked. */
  query: string;
  /** The mode that was used in the end. */
  mode: string;
  /** Best first. */
  hits: Hit[];
  /** How many documents (or chunks, see `group`) were found in all; of large indexes by the rarer words, unless `exact`. */
  total: number;
  /** Values and their counts, most frequent first, for every field in `facets`. */
  facets?: Record<string, { value: Scalar; count: number }[]>;
  /** Words that were not in the index, and the words that were searched instead. */
  corrections: { from: string; to: string }[];
  /** Where nothing was found: up to five words of the index that are spelt like those that it does not have. */
  suggestions?: string[];
  /** Set where nothing was found because of the filter. */
  filteredOut?: boolean;
  /** What it cost. */
  stats: SearchStats;
  /** Set when less than the asked mode could be done: `keyword-only`. */
  degraded?: string;
}

/** What an index says about itself. */
export interface IndexInfo {
  /** Identifier of this build: the same input, options and version give the same one. */
  buildId: string;
  /** Documents in the index. */
  documents: number;
  /** Chunks in the index. */
  chunks: number;
  /** Different terms in the index. */
  terms: number;
  /** Metadata fields that filters and facets may name. */
  fields: string[];
  /** Bytes of all files but the root. */
  bytes: number;
  /** Model that embedded the chunks; absent where the index has words only. */
  embedder?: string;
  /** Components of an embedding. */
  dim?: number;
  /** Whether queries can be embedded without the model. */
  offlineQueries: boolean;
  /** Figures that the build measured, by name. */
  figures: Record<string, number>;
}

/**
 * Where an index's files are read from, for anything that is not a URL: an object store's binding,
 * a cache, memory.
 */
export interface Source {
  /**
   * Reads `file` (a path relative to the index) from byte `start` up to but not including `end`.
   * Both `undefined`: the whole file. Rejections may carry an HTTP `status`: 404 means that there is
   * no such file.
   */
  read(file: string, start: number | undefined, end: number | undefined): Promise<Uint8Array>;
}

/** Where an index may be. */
export type From = string | URL | Source | Uint8Array;

/** How to open an index. */
export interface OpenOptions {
  /** `false` searches on the calling thread. Browsers default to a worker thread; others have none. */
  worker?: boolean;
  /** Whether a browser keeps what was read for the next visit; default `true`. */
  keep?: boolean;
  /**
   * Refuses everything that the owner of this key did not sign: `coracle build --sign` prints it.
   * Several with spaces between them: one of them signed.
   */
  publicKey?: string | null;
  /** Milliseconds after which opening rejects with the code `timeout`; default 30,000. */
  timeout?: number;
  /** Gives up opening: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** An opened index. */
export interface Index {
  /** What the index says about itself. */
  readonly info: IndexInfo;
  /**
   * Searches.
   *
   * @throws {CoracleError} with a stable `code`
   * @throws {DOMException} `AbortError` (or the signal's own reason) after `options.signal` fired
   */
  search(query: string, options?: SearchOptions): Promise<SearchResult>;
  /** Frees the memory and ends the worker thread. Searches under way reject. */
  close(): void;
}

/**
 * Opens an index.
 *
 * Reads the root file and nothing else; what a query needs is read when it is asked.
 *
 * @param from URL of the folder that `coracle build` wrote (relative to the page in browsers; a
 *   folder's path works too in Node, Deno and Bun), a `Source` that reads its files, or the bytes of
 *   a bundle
 * @throws {CoracleError} if there is no index, or it is damaged or of an unknown version, or not
 *   signed by the owner of `publicKey`
 */
export function open(from: From, options: OpenOptions = {}): Promise<Index> {
  return openOn(from, options);
}
