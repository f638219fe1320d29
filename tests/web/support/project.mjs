// Places in the built project.
import { fileURLToPath } from 'node:url';

export const at = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The demo site, and in `public/search` the index of the guide. */
export const site = at('public/');
export const guideIndex = at('public/search/');

/** What is deployed with the worker: the site again, with the index in small files. */
export const deployed = at('worker/public/');
