// The demo's index: the guide's pages, made searchable by the command line tool itself.
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { at, run, say, unlessFresh } from './tools.mjs';

export const cli = at(`target/release/coracle${process.platform === 'win32' ? '.exe' : ''}`);

export async function buildCli() {
  say('command line tool');
  await run('cargo', ['build', '--release', '-p', 'coracle-cli']);
}

/**
 * Indexes files. Vectors that were computed before are taken from a cache of the given name: one
 * process at a time may use a cache.
 */
export function index(cache, input, out, ...options) {
  return run(cli, ['build', input, '--out', out, '--cache', at('target/vectors', cache), ...options]);
}

/**
 * The guide's index in both layouts: byte ranges for the site, and split into small files for the copy
 * that is deployed with the worker, as its host hands out files whole.
 */
export async function buildIndex() {
  const site = at('public');
  const deployed = at('worker/public');
  await unlessFresh('index of the guide', [cli, `${site}/docs`], [`${site}/search`, `${deployed}/search`], async () => {
    await index('guide', `${site}/docs`, `${site}/search`, '--base-url', '/docs/');
    await index('guide', `${site}/docs`, `${deployed}/search`, '--base-url', '/docs/', '--layout', 'split');
  });
  const files = readdirSync(site).filter((name) => name !== 'search');
  for (const name of files) cpSync(join(site, name), join(deployed, name), { recursive: true });
}
