// The guide's index gives the same ids and scores in every runtime, however its vectors are found.
import { readFileSync } from 'node:fs';
import { index } from '../../www/build/search.mjs';
import { at, guideIndex, site } from './support/project.mjs';
import { sameEverywhere } from './support/parity.mjs';

const queries = JSON.parse(readFileSync(at('tests/web/queries.json'), 'utf8'));
sameEverywhere('guide', () => guideIndex, queries, ['assets', 'r2', 'http']);

// Small as it is, the guide gets cells and a graph only where they are asked for.
for (const access of ['cells', 'graph']) {
  const built = async () => {
    const out = at(`target/parity/${access}`);
    await index('guide', `${site}docs`, out, '--quiet', '--vectors', access);
    return `${out}/`;
  };
  sameEverywhere(`guide_in_${access}`, built, queries.slice(0, 20), ['http']);
}
