/**
 * Building an index from a program: folders, pages and records that are in memory.
 *
 * ```js
 * import { createIndex } from '@coracle-search/coracle/build';
 *
 * const index = await createIndex();
 * await index.addDirectory({ path: 'public' });
 * await index.addRecord({ url: '/kb/17', title: 'Reset a password', content: 'Open …' });
 * const { pages, warnings } = await index.write('public/search');
 * await index.close();
 * ```
 *
 * The command does the work, so that an index is the same whoever asks for it: what is in memory is laid
 * down in a folder of its own, and `coracle build` is run on it.
 */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { run } from './command.js';
import { BAD_INPUT, CoracleBuildError, STOPPED, usage } from './error.js';
import { toFlags } from './flags.js';
import { mirror } from './mirror.js';
import { fileOf } from './place.js';

export { CoracleBuildError } from './error.js';

/** How file names become addresses. */
export type UrlStyle = 'directory' | 'html' | 'clean' | 'file';

/** How an index is laid out in files. */
export type Layout = 'range' | 'split' | 'bundle';

/** The flags of `coracle build`; the guide tells what each does. Paths are relative to the working folder. */
export interface BuildFlags {
  /** What stands before the path of every page in its address; default `/`. */
  baseUrl?: string | undefined;
  /** Default `directory`. */
  urlStyle?: UrlStyle | undefined;
  /** Language of the documents (ISO 639-1); default `auto`. */
  language?: string | undefined;
  /** File of synonyms. */
  synonyms?: string | undefined;
  /** Fails when an input has to be left out. */
  strict?: boolean | undefined;
  /** Threads to use; default: all cores. */
  threads?: number | undefined;
  /** Most tokens of a chunk's text; default 200. */
  chunkTokens?: number | undefined;
  /** Neighbouring sections are merged while one has fewer tokens; default 50. */
  chunkMinTokens?: number | undefined;
  /** Tokens repeated where a section is cut; default 0. */
  chunkOverlap?: number | undefined;
  /** Where vectors come from; `none` is search by words alone. Default: the embedded model. */
  embedder?: 'default' | 'static' | 'none' | 'provided' | 'endpoint' | undefined;
  /** What the endpoint speaks; default `openai`. */
  endpointApi?: 'openai' | 'azure' | 'cohere' | 'jina' | 'ollama' | 'tei' | 'voyage' | 'workers-ai' | undefined;
  /** Address of the endpoint's API, such as `https://api.openai.com/v1`. */
  endpointUrl?: string | undefined;
  /** Model to ask the endpoint for. */
  endpointModel?: string | undefined;
  /** Name of the variable that holds the endpoint's key. */
  endpointKeyEnv?: string | undefined;
  /** Components of the vectors that the endpoint is asked for; default: as many as the model makes. */
  dimensions?: number | undefined;
  /** Folder that keeps vectors between builds; `false` computes every vector anew. */
  cache?: string | false | undefined;
  /** What finds the near vectors of a query; default `auto`: a scan of small indexes, cells of others. */
  vectors?: 'auto' | 'scan' | 'cells' | 'graph' | undefined;
  /** Dimensions of vectors to keep; default `auto`. */
  vectorDims?: 'auto' | 'all' | number | undefined;
  /** What an index with cells is to be good at; default `balanced`. */
  target?: 'size' | 'balanced' | 'speed' | undefined;
  /** Share of the true ten nearest that searches are to find, 0.5 to 0.995; default 0.95. */
  recall?: number | undefined;
  /** File of questions to judge the finished index by, in BEIR's or TREC's layout. */
  queries?: string | undefined;
  /** File of the judgements of these questions. */
  qrels?: string | undefined;
  /** Default `range`. */
  layout?: Layout | undefined;
  /** Largest file: bytes, or a size such as `24MiB`. */
  partBytes?: number | string | undefined;
  /** File of the Ed25519 key to sign with. */
  sign?: string | undefined;
  /** Fails when a first search is predicted to read more. */
  maxColdBytes?: number | string | undefined;
}

export interface CreateOptions extends BuildFlags {
  /** Gets what there is to tell, a line at a time. */
  progress?: ((line: string) => void) | undefined;
  /** Stops what is under way, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A folder, or a file, as the command takes them. */
export interface Directory {
  path: string;
  /** Takes only files that one of these names, as in `.gitignore`. */
  glob?: string | string[] | undefined;
  /** Leaves out what these name, as in `.gitignore`. */
  exclude?: string | string[] | undefined;
}

/** A page whose HTML is in memory. */
export interface Page {
  /** Its address: below `baseUrl`, or relative to it. */
  url: string;
  content: string;
}

/** A value of a metadata field. */
export type MetaValue = string | number | boolean | readonly (string | number | boolean)[];

/** A document that is no page. */
export interface Entry {
  /** Its address, as it is. */
  url: string;
  content: string;
  /** Default: the address. */
  id?: string | undefined;
  title?: string | undefined;
  /** ISO 639-1; default: found out. */
  language?: string | undefined;
  /** Metadata. `filters` and `sort` are metadata too: every field can be filtered by. */
  meta?: Record<string, MetaValue> | undefined;
  filters?: Record<string, MetaValue> | undefined;
  sort?: Record<string, MetaValue> | undefined;
  /** Factor on its scores, 0.1 to 10. */
  weight?: number | undefined;
  /** A ready-made embedding, for the embedder `provided`. */
  vector?: readonly number[] | undefined;
}

/** What was built. */
export interface Built {
  /** Documents in the index. */
  pages: number;
  chunks: number;
  /** Files written. */
  files: number;
  /** Their bytes. */
  bytes: number;
  /** Inputs that were left out, each with its reason. */
  warnings: string[];
  seconds: number;
}

/** A file of an index. */
export interface IndexFile {
  /** Its name in the index's folder. */
  path: string;
  content: Uint8Array;
}

/** An index in the making. It may be written more than once; what was added stays. */
export interface BuildIndex {
  addDirectory(directory: Directory): Promise<void>;
  /** Adds a page; one that was added with the same address is replaced. */
  addHTML(page: Page): Promise<void>;
  /** Adds a record; one that was added with the same id is replaced. */
  addRecord(record: Entry): Promise<void>;
  /** Builds into a folder (with `layout: 'bundle'` a file). An index that is there stays until this one is whole. */
  write(out: string): Promise<Built>;
  /** Builds, and returns the index's files. */
  files(): Promise<IndexFile[]>;
  /** Ends what is under way and removes what was laid down. */
  close(): Promise<void>;
}

/** The name that `files` gives to a bundle. */
const BUNDLE = 'index.cora';

/** Begins an index. */
export async function createIndex(options: CreateOptions = {}): Promise<BuildIndex> {
  const { progress, signal, ...flags } = options;
  signal?.throwIfAborted();
  return new Making(toFlags(flags), flags, progress, signal, await mkdtemp(join(tmpdir(), 'coracle-')));
}

class Making implements BuildIndex {
  readonly #directories: Directory[] = [];
  /** Lines of JSON by id. */
  readonly #records = new Map<string, string>();
  #hasPages = false;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #stop: AbortSignal;

  constructor(
    readonly flags: string[],
    readonly options: BuildFlags,
    readonly progress: ((line: string) => void) | undefined,
    signal: AbortSignal | undefined,
    readonly scratch: string,
  ) {
    this.#stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }

  get #pageFolder() {
    return join(this.scratch, 'pages');
  }

  async addDirectory({ path, glob, exclude }: Directory): Promise<void> {
    this.#stop.throwIfAborted();
    if (typeof path !== 'string' || path === '') throw usage('addDirectory: path is missing');
    this.#directories.push({ path: resolve(path), glob, exclude });
  }

  async addHTML({ url, content }: Page): Promise<void> {
    this.#stop.throwIfAborted();
    if (typeof url !== 'string') throw usage('addHTML: url is missing');
    if (typeof content !== 'string') throw usage('addHTML: content is no text');
    const { baseUrl = '/', urlStyle = 'directory' } = this.options;
    const file = join(this.#pageFolder, fileOf(url, baseUrl, urlStyle));
    await mkdir(dirname(file), { recursive: true });
    // A build that is under way reads the whole page, old or new.
    const unfinished = join(this.scratch, randomUUID());
    await writeFile(unfinished, content);
    await rename(unfinished, file);
    this.#hasPages = true;
  }

  async addRecord({ url, content, id = url, title, language, meta, filters, sort, weight, vector }: Entry): Promise<void> {
    this.#stop.throwIfAborted();
    if (typeof url !== 'string' || typeof id !== 'string' || id === '') throw usage('addRecord: url is missing');
    if (typeof content !== 'string') throw usage('addRecord: content is no text');
    const fields = { ...meta, ...filters, ...sort };
    this.#records.set(id, JSON.stringify({ id, url, title, text: content, lang: language, meta: fields, weight, vector }));
  }

  write(out: string): Promise<Built> {
    const place = resolve(out);
    return this.#build((inputs, scratch) => this.#command(inputs, place, scratch));
  }

  files(): Promise<IndexFile[]> {
    return this.#build(async (inputs, scratch) => {
      const folder = join(scratch, 'out');
      await mkdir(folder);
      await this.#command(inputs, this.options.layout === 'bundle' ? join(folder, BUNDLE) : folder, scratch);
      const names = (await readdir(folder)).sort();
      return Promise.all(names.map(async (path) => ({ path, content: new Uint8Array(await readFile(join(folder, path))) })));
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new CoracleBuildError(STOPPED, 'the index is closed'));
    await Promise.allSettled(this.#running);
    await rm(this.scratch, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Lays down what the command is to read, in a folder that is gone after. */
  #build<T>(work: (inputs: string[], scratch: string) => Promise<T>): Promise<T> {
    const build = inTurn(this.#stop, async () => {
      const scratch = await mkdtemp(join(this.scratch, 'build-'));
      try {
        return await work(await this.#inputs(scratch), scratch);
      } finally {
        await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
      }
    });
    this.#running.add(build);
    const over = () => this.#running.delete(build);
    build.then(over, over);
    return build;
  }

  async #inputs(scratch: string): Promise<string[]> {
    const inputs: string[] = [];
    for (const [number, { path, glob, exclude }] of this.#directories.entries()) {
      const isWhole = glob === undefined && exclude === undefined;
      inputs.push(isWhole ? path : await mirror(path, { glob, exclude }, mirrorFolder(scratch, number)));
    }
    if (this.#hasPages) inputs.push(this.#pageFolder);
    if (this.#records.size > 0) {
      const file = recordFile(scratch);
      await pipeline(Readable.from(lines(this.#records.values())), createWriteStream(file));
      inputs.push(file);
    }
    if (inputs.length === 0) throw new CoracleBuildError(BAD_INPUT, 'there is nothing to index', 'add a directory, a page or a record first');
    return inputs;
  }

  async #command(inputs: string[], out: string, scratch: string): Promise<Built> {
    const named = (text: string) => this.#named(text, scratch);
    // An empty one: the coracle.toml of the working folder is for those who type commands.
    const config = join(scratch, 'coracle.toml');
    await writeFile(config, '');
    const summary = await run(['build', '--json', `--config=${config}`, ...this.flags, `--out=${out}`, '--', ...inputs], {
      signal: this.#stop,
      progress: this.progress,
      named,
    });
    return {
      pages: summary.documents,
      chunks: summary.chunks,
      files: summary.files,
      bytes: summary.bytes_out,
      warnings: summary.quarantined.map(({ place, reason }) => named(`${place}: ${reason}`)),
      seconds: summary.seconds,
    };
  }

  /** What the command says, with the names that the caller gave instead of those of laid down files. */
  #named(text: string, scratch: string): string {
    let said = text.replaceAll(this.#pageFolder + sep, '');
    this.#directories.forEach(({ path }, number) => (said = said.replaceAll(mirrorFolder(scratch, number), path)));
    const ids = [...this.#records.keys()];
    const [before, ...after] = said.split(`${recordFile(scratch)}:`);
    return before + after.map((rest) => rest.replace(/^\d+/, (line) => ids[Number(line) - 1] ?? line)).join('');
  }
}

const mirrorFolder = (scratch: string, number: number) => join(scratch, `${number}-directory`);
const recordFile = (scratch: string) => join(scratch, 'records.jsonl');

function* lines(texts: Iterable<string>) {
  for (const text of texts) yield `${text}\n`;
}

/** When the last build of this process ends. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Builds one after the other: each takes all cores, and one at a time may use a cache of vectors. Those
 * that are stopped wait no longer.
 */
function inTurn<T>(stop: AbortSignal, work: () => Promise<T>): Promise<T> {
  const before = last;
  const turn = (async () => {
    const waited = new AbortController();
    const stopped = new Promise((done) => stop.addEventListener('abort', done, { signal: waited.signal }));
    stop.throwIfAborted();
    await Promise.race([before, stopped]).finally(() => waited.abort());
    stop.throwIfAborted();
    return work();
  })();
  last = Promise.allSettled([before, turn]);
  return turn;
}
