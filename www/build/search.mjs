// The demo's index: the guide's pages, made searchable by the command line tool itself.
import { cpSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { at, run, say, unlessFresh } from './tools.mjs';

/**
 * How the command line tool is compiled: `release`, or as cargo's own tests have compiled it already,
 * a little slower and with its checks on.
 */
const profile = process.env.CORACLE_PROFILE ?? 'release';
if (!['dev', 'release'].includes(profile)) throw new Error(`CORACLE_PROFILE is ${profile}; dev and release are known`);

const folder = profile === 'dev' ? 'debug' : profile;
export const cli = at(`target/${folder}/coracle${process.platform === 'win32' ? '.exe' : ''}`);

export async function buildCli() {
  say('command line tool');
  await run('cargo', ['build', '--profile', profile, '-p', 'coracle-cli']);
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
  const maps = [site, deployed].map((folder) => `${folder}/search/map.json`);
  await unlessFresh('index of the guide', [cli, `${site}/docs`], maps, async () => {
    // The pages' Markdown lies beside them.
    const options = ['--base-url', '/docs/', '--exclude', '*.md'];
    await index('guide', `${site}/docs`, `${site}/search`, ...options);
    await index('guide', `${site}/docs`, `${deployed}/search`, ...options, '--layout', 'split');
    // For the playground.
    for (const map of maps) await run(cli, ['inspect', dirname(map), '--map', map]);
  });
  const files = readdirSync(site).filter((name) => name !== 'search');
  for (const name of files) cpSync(join(site, name), join(deployed, name), { recursive: true });
}
