// The guide's index gives the same ids and scores in every runtime, however its vectors are found.
import { readFileSync } from 'node:fs';
import { index } from '../../www/build/search.mjs';
import { at, guideIndex, site } from './support/project.mjs';
import { sameEverywhere } from './support/parity.mjs';

const queries = JSON.parse(readFileSync(at('tests/web/queries.json'), 'utf8'));
sameEverywhere('guide', () => guideIndex, queries, ['assets', 'r2', 'http']);

/** The index before: one process at a time may use a cache of vectors. */
let last = Promise.resolve();

// Small as it is, the guide gets cells and a graph only where they are asked for.
for (const access of ['cells', 'graph']) {
  const built = () => {
    const out = at(`target/parity/${access}`);
    last = last.then(() => index('guide', `${site}docs`, out, '--quiet', '--vectors', access));
    return last.then(() => `${out}/`);
  };
  sameEverywhere(`guide_in_${access}`, built, queries.slice(0, 20), ['http']);
}
