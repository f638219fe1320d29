// `npm start`: from a clean clone to a searchable site on this machine.
import { prepare, at, run } from './tools.mjs';

await prepare();
await import('./build.mjs');
const { cli } = await import('./search.mjs');
await run(cli, ['serve', at('public')]);
