// `npm test`: every test there is. `npm run test:web` leaves out what is Rust alone.
//
// A stage that fails does not keep the next ones from running; the last line counts them all.
import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { BARE_TARGET, at, filesBelow, prepare, root, run, say, unlessFresh } from './tools.mjs';

const counts = { passed: 0, failed: 0 };

/** Runs tests, shows what they print, and counts what cargo's and Node's closing lines say. */
function stage(title, command, args, env = {}) {
  say(title);
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (bytes) => {
      process.stdout.write(bytes);
      printed += bytes;
    });
    child.on('error', ({ message }) => console.error(message));
    child.on('close', (code) => {
      const text = stripVTControlCharacters(printed);
      const sum = (pattern) => [...text.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0);
      const failed = sum(/^test result: .*? (\d+) failed/gm) + sum(/^ℹ (?:fail|cancelled) (\d+)$/gm);
      counts.passed += sum(/^test result: .*? (\d+) passed/gm) + sum(/^ℹ pass (\d+)$/gm);
      // What does not even get to its tests, because it cannot be built, counts as one failure.
      counts.failed += failed > 0 || code === 0 ? failed : 1;
      if (code !== 0) console.error(`✖ ${title}: exit code ${code}`);
      done();
    });
  });
}

// The command that the Rust tests have run is good enough for the others: it saves compiling a second
// one for minutes.
process.env.CORACLE_PROFILE ??= 'dev';

await prepare();
if (process.argv[2] !== 'web') {
  await stage('Rust tests', 'cargo', ['test', '--workspace', '--exclude', 'coracle-wasm', '--no-fail-fast']);
  await stage('the library without a system', 'cargo', ['build', '-p', 'coracle', '--lib', '--no-default-features', '--target', BARE_TARGET]);
  // Under Node, by the runner that .cargo/config.toml names.
  const wasm = ['--target', 'wasm32-unknown-unknown', '-p', 'coracle', '--test', 'parity_*', '--no-fail-fast'];
  await stage('the same bits in WebAssembly', 'cargo', ['test', ...wasm], { WASM_BINDGEN_TEST_TIMEOUT: '300' });
}
await import('./build.mjs').catch(({ message }) => {
  counts.failed += 1;
  console.error(`✖ build: ${message}`);
});
// Site generators are large, and nothing but their tests needs them. Not `npm ci`: it insists on the
// packages of other systems, which not every registry has.
const generators = at('tests/plugins');
await unlessFresh('packages of site generators', [`${generators}/package-lock.json`], [`${generators}/node_modules`], () =>
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: generators }),
).catch(({ message }) => {
  counts.failed += 1;
  console.error(`✖ ${message}`);
});
const web = [...filesBelow(at('tests/web')), ...filesBelow(at('benches'))].filter((file) => file.endsWith('.test.mjs'));
// Most wait for browsers and for time to pass. What measures time itself, or memory, is alone.
const alone = ['pace', 'endurance'].map((name) => at(`tests/web/${name}.test.mjs`));
const javascript = (title, files, concurrency) =>
  stage(title, 'node', ['--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`, ...files]);
await javascript('JavaScript tests', web.filter((file) => !alone.includes(file)), 2);
await javascript('JavaScript tests that measure', alone, 1);
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
