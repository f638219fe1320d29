// The demo's index: the guide's pages, made searchable by the command line tool itself.
import { at, run, say, unlessFresh } from './tools.mjs';

export const cli = at(`target/release/coracle${process.platform === 'win32' ? '.exe' : ''}`);

export async function buildCli() {
  say('command line tool');
  await run('cargo', ['build', '--release', '-p', 'coracle-cli']);
}

export async function buildIndex() {
  const out = at('public/search');
  await unlessFresh('index of the guide', [cli, at('public/docs')], [out], () =>
    run(cli, ['build', at('public/docs'), '--out', out, '--base-url', '/docs/']),
  );
}
