/** The index of a development server: in memory, made anew when a source changes, served with byte ranges. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import ignore from 'ignore';
import { createIndex, type BuildFlags, type UrlStyle } from '../build/index.js';
import { assetFile } from './assets.js';
import { slashed, type Log, type Settings } from './options.js';
import { add, fileOf, type Source } from './sources.js';

/** Editors write a file in several steps, and several files at once. */
const SETTLE_MS = 150;

const types: Record<string, string> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

export interface DevSite {
  /** Path that the development server serves the site below. */
  base: string;
  urlStyle?: UrlStyle;
  /** All pages as they are now. */
  sources: () => Promise<Source[]>;
}

export class DevIndex {
  #files = new Map<string, Uint8Array>();
  #isWanted = false;
  #failure = '';
  readonly #closing = new AbortController();
  /** The build under way. */
  #building: Promise<void> | undefined;
  /** When there is an index, or it is known why there is none. */
  readonly #first: Promise<void>;
  #answer!: () => void;

  constructor(
    readonly site: DevSite,
    readonly settings: Settings,
    readonly log: Log,
  ) {
    this.#first = new Promise((done) => (this.#answer = done));
  }

  /** Makes the index anew, soon: something changed. */
  touch(): void {
    this.#isWanted = !this.#closing.signal.aborted;
    this.#building ??= this.#build().finally(() => (this.#building = undefined));
  }

  /** Ends what is under way: nobody is served any more. */
  close(): void {
    this.#isWanted = false;
    this.#closing.abort();
  }

  async #build(): Promise<void> {
    while (this.#isWanted) {
      await new Promise((done) => setTimeout(done, SETTLE_MS));
      this.#isWanted = false;
      const scratch = await mkdtemp(join(tmpdir(), 'coracle-dev-'));
      try {
        const left = ignore().add(this.settings.exclude);
        const sources = await this.site.sources();
        await this.#index(sources.filter((source) => 'folder' in source || !left.ignores(fileOf(source.url))), scratch);
        this.#failure = '';
      } catch (thrown) {
        if (this.#closing.signal.aborted) return;
        this.#failure = (thrown as Error).message;
        this.log.warn(`no search index: ${this.#failure}`);
      } finally {
        this.#answer();
        await rm(scratch, { recursive: true, force: true });
      }
    }
  }

  async #index(sources: Source[], scratch: string): Promise<void> {
    const { flags } = this.settings;
    if (this.#files.size === 0) {
      this.log.info('indexing …');
      // Embedding many pages takes a while, the first time: until then search goes by words.
      const { language, synonyms, sign } = flags;
      if (flags.embedder !== 'none') await this.#publish(sources, scratch, { language, synonyms, sign, embedder: 'none' });
    }
    await this.#publish(sources, scratch, flags);
  }

  async #publish(sources: Source[], scratch: string, flags: BuildFlags): Promise<void> {
    const { base, urlStyle = 'directory' } = this.site;
    const index = await createIndex({ ...flags, baseUrl: slashed(base), urlStyle, layout: 'range', signal: this.#closing.signal });
    try {
      await add(index, sources, join(scratch, flags.embedder ?? 'default'));
      // A page that reads the index before finds its files gone, and opens this one.
      this.#files = new Map((await index.files()).map(({ path, content }) => [path, content]));
      this.#answer();
      this.log.info(`pages indexed${flags.embedder === 'none' ? ' by words' : ''}`);
    } finally {
      await index.close();
    }
  }

  /** Serves the elements' scripts and the index; everything else is for `next`. */
  readonly handle = (request: IncomingMessage & { originalUrl?: string }, response: ServerResponse, next: () => void): void => {
    const { pathname } = new URL(request.originalUrl ?? request.url ?? '/', 'http://localhost');
    const prefix = `${slashed(this.site.base)}${this.settings.folder}/`;
    const name = pathname.startsWith(prefix) ? pathname.slice(prefix.length) : '';
    const asset = assetFile(name);
    if (asset) {
      readFile(asset).then((body) => send(request, response, name, body), next);
    } else if (name.endsWith('.cora')) {
      void this.#first.then(() => {
        const body = this.#files.get(name);
        if (body) send(request, response, name, body);
        else response.writeHead(this.#files.size > 0 ? 404 : 503, { 'content-type': 'text/plain' }).end(this.#failure);
      });
    } else {
      next();
    }
  };
}

/** Answers with a file, or with the range of it that is asked for. */
function send({ headers, method }: IncomingMessage, response: ServerResponse, name: string, body: Uint8Array): void {
  const known = { 'content-type': types[extname(name)] ?? 'application/octet-stream', 'cache-control': 'no-cache', 'accept-ranges': 'bytes' };
  const [, first = '', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const start = Number(first);
  const end = Math.min(last === '' ? Infinity : Number(last), body.length - 1);
  const isPart = first !== '';
  if (isPart && start > end) {
    response.writeHead(416, { ...known, 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const sent = isPart ? body.subarray(start, end + 1) : body;
  const range = isPart && { 'content-range': `bytes ${start}-${end}/${body.length}` };
  response.writeHead(isPart ? 206 : 200, { ...known, ...range, 'content-length': sent.length });
  response.end(method === 'HEAD' ? undefined : sent);
}
