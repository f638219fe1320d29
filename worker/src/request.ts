/** Reads and checks what a client asks for. Every refusal names the parameter and what it may be. */
import type { Filter, Mode, SearchOptions } from '@coracle-search/coracle';
import { Refusal } from './refusal.js';

/** Most that one request may ask for. */
export interface Limits {
  /** UTF-16 units of the query. */
  query: number;
  /** Hits per answer. */
  limit: number;
  /** Hits skipped. */
  offset: number;
  /** Facet fields. */
  facets: number;
  /** Bytes of a request's body. */
  body: number;
}

export const defaultLimits: Limits = { query: 1000, limit: 100, offset: 99, facets: 16, body: 64 * 1024 };

/** A checked request. */
export interface Asked {
  query: string;
  options: Omit<SearchOptions, 'signal'>;
  /** Whether every hit shall carry its chunk's whole text. */
  text: boolean;
}

const parameters = new Set([
  ...['q', 'mode', 'limit', 'offset', 'filter', 'facets', 'fusion'],
  ...['alpha', 'explain', 'group', 'prefix', 'diversity', 'vector', 'text'],
]);

/** Reads the parameters of a GET from its address, those of a POST from its JSON body. */
export async function read(request: Request, limits: Limits): Promise<Asked> {
  const given = request.method === 'POST' ? await body(request, limits) : fromAddress(new URL(request.url));
  for (const name of Object.keys(given)) {
    if (!parameters.has(name)) throw bad(name, `is not known; known are ${[...parameters].join(', ')}`);
  }
  const query = given.q;
  if (typeof query !== 'string' || query.trim() === '') {
    throw new Refusal(400, 'missing-query', 'the query is missing: ask /search?q=… or POST {"q": "…"}');
  }
  if (query.length > limits.query) {
    throw new Refusal(400, 'query-too-long', `the query has ${query.length} characters; at most ${limits.query} are taken`);
  }
  return { query, options: options(given, limits), text: flag(given, 'text') ?? false };
}

type Given = Record<string, unknown>;

function options(given: Given, limits: Limits): Asked['options'] {
  const out: Asked['options'] = {
    mode: choice<Mode>(given, 'mode', ['hybrid', 'keyword', 'vector']),
    limit: whole(given, 'limit', 1, limits.limit),
    offset: whole(given, 'offset', 0, limits.offset),
    filter: filter(given.filter),
    facets: facets(given.facets, limits.facets),
    fusion: choice(given, 'fusion', ['convex', 'rrf']),
    alpha: fraction(given, 'alpha'),
    diversity: fraction(given, 'diversity'),
    explain: flag(given, 'explain'),
    group: choice(given, 'group', ['document', 'chunk']),
    prefix: flag(given, 'prefix'),
    vector: vector(given.vector),
  };
  for (const [name, value] of Object.entries(out)) {
    if (value === undefined) delete out[name as keyof typeof out];
  }
  return out;
}

/** Values of an address are text; those that are not in a body are turned into what they stand for. */
function fromAddress({ searchParams }: URL): Given {
  const given: Given = Object.create(null);
  for (const [name, value] of searchParams) {
    if (name === 'facets') given.facets = [...((given.facets as string[]) ?? []), ...value.split(',')];
    else if (name in given) throw bad(name, 'is given twice');
    else if (name === 'filter' || name === 'vector') given[name] = json(name, value);
    else if (name === 'limit' || name === 'offset' || name === 'alpha' || name === 'diversity') given[name] = value === '' ? NaN : Number(value);
    else if (name === 'explain' || name === 'prefix' || name === 'text') given[name] = boolean(name, value);
    else given[name] = value;
  }
  return given;
}

async function body(request: Request, limits: Limits): Promise<Given> {
  const bytes = await capped(request, limits.body);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new Refusal(400, 'bad-request', 'the body is not UTF-8');
  }
  const given = json('body', text);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new Refusal(400, 'bad-request', 'the body must be a JSON object such as {"q": "…"}');
  }
  return given as Given;
}

/** Reads a body, but never more than `most` bytes, whatever its headers claim. */
async function capped(request: Request, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = (request.body as ReadableStream<Uint8Array> | null)?.getReader();
  for (let step = await reader?.read(); step && !step.done; step = await reader!.read()) {
    length += step.value.length;
    if (length > most) {
      await reader!.cancel();
      throw new Refusal(413, 'body-too-large', `the body is larger than ${most} bytes`);
    }
    parts.push(step.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bad(name: string, claim: string): Refusal {
  return new Refusal(400, 'bad-request', `\`${name}\` ${claim}`);
}

function json(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw bad(name, `is not JSON: ${(thrown as Error).message}`);
  }
}

function boolean(name: string, text: string): boolean {
  if (text === '' || text === '1' || text === 'true') return true;
  if (text === '0' || text === 'false') return false;
  throw bad(name, 'must be true or false');
}

function flag(given: Given, name: string): boolean | undefined {
  const value = given[name];
  if (value !== undefined && typeof value !== 'boolean') throw bad(name, 'must be true or false');
  return value;
}

function choice<T extends string>(given: Given, name: string, among: T[]): T | undefined {
  const value = given[name];
  if (value !== undefined && !among.includes(value as T)) throw bad(name, `must be one of ${among.join(', ')}`);
  return value as T | undefined;
}

function whole(given: Given, name: string, least: number, most: number): number | undefined {
  const value = given[name];
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw bad(name, `must be a whole number from ${least} to ${most}`);
  }
  return value as number;
}

function fraction(given: Given, name: string): number | undefined {
  const value = given[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw bad(name, 'must be a number from 0 to 1');
  return value;
}

function filter(value: unknown): Filter | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, 'filter', '`filter` must be a JSON object such as {"lang": "en"}');
  }
  return value as Filter;
}

function facets(value: unknown, most: number): string[] | undefined {
  if (value === undefined) return undefined;
  const fields = Array.isArray(value) && value.every((field) => typeof field === 'string' && field !== '');
  if (!fields) throw bad('facets', 'must be a list of field names');
  if (value.length > most) throw bad('facets', `names ${value.length} fields; at most ${most} are counted`);
  return value;
}

function vector(value: unknown): number[] | undefined {
  if (value === undefined) return undefined;
  const numbers = Array.isArray(value) && value.length <= 8192 && value.every((part) => Number.isFinite(part));
  if (!numbers) throw bad('vector', 'must be a list of at most 8192 numbers');
  return value;
}
