// `npm test`: every test there is. `npm run test:web` leaves out what is Rust alone.
import { filesBelow, at, prepare, run, say } from './tools.mjs';

const webOnly = process.argv[2] === 'web';

await prepare();
if (!webOnly) {
  say('Rust tests');
  await run('cargo', ['test', '--workspace', '--exclude', 'coracle-wasm']);
  say('the same library in WebAssembly');
  await run('cargo', ['test', '-p', 'coracle', '--target', 'wasm32-unknown-unknown'], {
    env: { WASM_BINDGEN_TEST_TIMEOUT: '300' },
  });
}
await import('./build.mjs');
say('JavaScript tests');
await run('node', ['--test', ...filesBelow(at('tests/web')).filter((file) => file.endsWith('.test.mjs'))]);
