// The guide's index gives the same ids and scores in every runtime.
import { readFileSync } from 'node:fs';
import { at, guideIndex } from './support/project.mjs';
import { sameEverywhere } from './support/parity.mjs';

const queries = JSON.parse(readFileSync(at('tests/web/queries.json'), 'utf8'));
sameEverywhere('guide', () => guideIndex, queries, ['assets', 'r2', 'http']);
