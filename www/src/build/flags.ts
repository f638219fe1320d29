/** Options of a build → flags of the command. */
import { resolve } from 'node:path';
import { usage } from './error.js';
import type { BuildFlags } from './index.js';

/** Every option: a value, a path, or yes and no. */
const kinds: Record<keyof BuildFlags, 'value' | 'path' | 'switch'> = {
  baseUrl: 'value',
  urlStyle: 'value',
  language: 'value',
  synonyms: 'path',
  strict: 'switch',
  threads: 'value',
  chunkTokens: 'value',
  chunkMinTokens: 'value',
  chunkOverlap: 'value',
  embedder: 'value',
  endpointApi: 'value',
  endpointUrl: 'value',
  endpointModel: 'value',
  endpointKeyEnv: 'value',
  dimensions: 'value',
  cache: 'path',
  vectors: 'value',
  vectorDims: 'value',
  target: 'value',
  recall: 'value',
  queries: 'path',
  qrels: 'path',
  layout: 'value',
  partBytes: 'value',
  sign: 'path',
  maxColdBytes: 'value',
};

/** What decides the files of pages is always said: what the environment says must not differ. */
const said: BuildFlags = { baseUrl: '/', urlStyle: 'directory', layout: 'range' };

export function toFlags(options: BuildFlags): string[] {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.entries({ ...said, ...Object.fromEntries(given) }).flatMap(([name, value]) => {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (name === 'cache' && value === false) return ['--no-cache'];
    switch (kinds[name as keyof BuildFlags]) {
      case 'switch':
        return value ? [flag] : [];
      case 'path':
        return [`${flag}=${resolve(String(value))}`];
      case 'value':
        return [`${flag}=${value}`];
      default:
        throw usage(`createIndex has no option ${JSON.stringify(name)}`, `it knows ${Object.keys(kinds).join(', ')}, progress and signal`);
    }
  });
}
