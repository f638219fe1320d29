// The packages as developers install them: packed, installed without a registry into an empty folder, used.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build as bundle } from 'esbuild';
import { publint } from 'publint';
import { packCommand, packMain, platformOf, platforms } from '../../www/build/package.mjs';
import { cli } from '../../www/build/search.mjs';
import { openPage, tireless } from './support/browser.mjs';
import { at } from './support/project.mjs';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'coracle-package-'));
const project = join(folder, 'project');
const installed = join(project, 'node_modules/@coracle-search');
const here = platformOf(process.platform, process.arch);
const manifest = JSON.parse(readFileSync(at('www/package.json'), 'utf8'));

/** A developer's machine: nothing is kept from before, and no command but the packages'. */
const env = { ...process.env, npm_config_cache: join(folder, 'npm'), XDG_CACHE_HOME: join(folder, 'cache'), CORACLE_BINARY: '' };
const launcher = join(project, 'node_modules/.bin/coracle');
const chromium = tireless();
const tools = (name) => at(`node_modules/.bin/${name}`);
let archives;
/** Seconds of each command that a developer types. */
const typed = {};

/** Runs a command in the project; resolves with how it ended, whatever that is. */
async function inProject(command, args, options = {}) {
  const ended = run(command, args, { cwd: project, env, ...options });
  return ended.then((printed) => ({ code: 0, ...printed })).catch((failure) => failure);
}

async function timed(command, ...args) {
  const started = performance.now();
  const { code, stdout, stderr } = await inProject(command, args);
  assert.equal(code, 0, stdout + stderr);
  typed[[command, ...args.map((argument) => basename(argument))].join(' ')] = (performance.now() - started) / 1000;
  return stdout;
}

before(async () => {
  archives = [await packMain(folder), await packCommand(folder, here, cli)];
  mkdirSync(project);
  await timed('npm', 'install', '--offline', '--ignore-scripts', ...archives);
});
after(async () => {
  await chromium.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A server of the launcher's, and its address. */
async function serving(...args) {
  const child = spawn(launcher, ['serve', ...args, '--port', '0'], { cwd: project, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
  const url = await new Promise((done, fail) => {
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text;
      const [address] = /http:\/\/[\w.:]+\//.exec(printed) ?? [];
      if (address) done(address);
    });
    child.on('exit', (code) => fail(new Error(`serve ended with ${code}: ${printed}`)));
  });
  return { child, url, ended };
}

test('empty_folder_becomes_a_searchable_page_by_three_commands', async (t) => {
  await timed('npx', 'coracle', 'init', 'site');
  const { child, url, ended } = await serving('site');
  try {
    await chromium.use(async (browser) => {
      const started = performance.now();
      const { page, complaints } = await openPage(browser, url);
      await page.getByRole('combobox').fill('which server do I need to upload to?');
      await page.getByRole('option').first().waitFor();
      typed['npx coracle serve site, and a first search in Chromium'] = (performance.now() - started) / 1000;
      assert.match(await page.getByRole('option').first().innerText(), /searchable page/i);
      mkdirSync(at('target/screenshots'), { recursive: true });
      await page.screenshot({ path: at('target/screenshots/package-first-page.png') });
      assert.deepEqual(complaints, []);
      await page.context().close();
    });
  } finally {
    child.kill();
    await ended;
  }
  for (const [command, seconds] of Object.entries(typed)) t.diagnostic(`${seconds.toFixed(1)} s  ${command}`);
  t.diagnostic(`${Object.values(typed).reduce((sum, seconds) => sum + seconds, 0).toFixed(1)} s  from an empty folder to results`);
});

test('init_keeps_the_pages_of_a_site_and_renews_its_scripts', async () => {
  const site = join(project, 'own');
  mkdirSync(join(site, 'coracle'), { recursive: true });
  writeFileSync(join(site, 'index.html'), '<title>Mine</title><main><h1>Mine</h1><p>Words of my own.</p></main>');
  writeFileSync(join(site, 'coracle/coracle-search.js'), 'old');
  const { code, stdout } = await inProject(launcher, ['init', 'own', '--embedder', 'none', '--quiet']);
  assert.equal(code, 0);
  assert.match(stdout, /<coracle-search src="\/search\/">/);
  assert.match(readFileSync(join(site, 'index.html'), 'utf8'), /Words of my own/);
  assert.deepEqual(readFileSync(join(site, 'coracle/coracle-search.js')), readFileSync(at('www/dist/coracle-search.js')));
  for (const name of ['coracle-worker.js', 'coracle_bg.wasm', 'coracle_rest.wasm']) assert.ok(existsSync(join(site, 'coracle', name)), name);
  assert.ok(!readdirSync(join(site, 'coracle')).some((name) => /server|build|cli|types/.test(name)));
  const found = JSON.parse((await inProject(launcher, ['search', 'own/search', 'words', '--json'])).stdout);
  assert.equal(found.hits[0].title, 'Mine');
});

test('launcher_passes_arguments_output_and_exit_codes_on', async () => {
  mkdirSync(join(project, 'docs'), { recursive: true });
  writeFileSync(join(project, 'docs/a b.md'), '# Tar & feathers\n\nSticky.\n');
  const built = await inProject(launcher, ['build', 'docs/a b.md', '--out', 'public', '--embedder', 'none', '--json']);
  assert.equal(JSON.parse(built.stdout).documents, 1);
  assert.equal((await inProject(launcher, ['search', 'public', 'sticky "tar & feathers" $HOME'])).code, 0);
  assert.equal((await inProject(launcher, ['search', 'public', 'submarine'])).code, 1);
  const wrong = await inProject(launcher, ['build', '--no-such-flag']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--no-such-flag/);
  assert.equal((await inProject(launcher, ['build', 'nowhere', '--out', 'x'])).code, 5);
  assert.equal((await inProject(launcher, ['--version'])).stdout.trim(), `coracle ${manifest.version}`);
  assert.match((await inProject(launcher, ['--help'])).stdout, /Usage: coracle[^]*npx coracle init/);
});

test('launcher_passes_signals_on_and_ends_as_the_command_does', { skip: process.platform === 'win32' }, async () => {
  mkdirSync(join(project, 'empty'), { recursive: true });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    const { child, url, ended } = await serving('empty');
    assert.equal((await fetch(`${url}nowhere`)).status, 404);
    child.kill(signal);
    assert.deepEqual(await ended, { code: null, signal });
    await assert.rejects(fetch(url), `the server outlived its launcher after ${signal}`);
  }
});

test('launcher_without_a_command_names_the_platform_and_the_way_out', async () => {
  const away = join(installed, '..', 'away');
  renameSync(join(installed, here), away);
  try {
    const { code, stderr } = await inProject(launcher, ['--version']);
    assert.equal(code, 127);
    for (const said of [`${process.platform}-${process.arch}`, `@coracle-search/${here}`, 'CORACLE_BINARY']) assert.ok(stderr.includes(said), stderr);
    const own = await inProject(launcher, ['--version'], { env: { ...env, CORACLE_BINARY: cli } });
    assert.equal(own.stdout.trim(), `coracle ${manifest.version}`);
    const wrong = await inProject(launcher, ['--version'], { env: { ...env, CORACLE_BINARY: '/nowhere/coracle' } });
    assert.deepEqual([wrong.code, /CORACLE_BINARY names \/nowhere\/coracle/.test(wrong.stderr)], [127, true]);
  } finally {
    renameSync(away, join(installed, here));
  }
});

test('program_builds_and_searches_in_every_runtime', async () => {
  writeFileSync(
    join(project, 'program.mjs'),
    `import { open } from '@coracle-search/coracle';
    import { createIndex } from '@coracle-search/coracle/build';
    const index = await createIndex({ embedder: 'none', layout: 'bundle' });
    await index.addHTML({ url: '/a/', content: '<title>Willow</title><main><p>Bent while green.</p></main>' });
    await index.addRecord({ url: '/b', content: 'Tar keeps water out.' });
    const [{ content }] = await index.files();
    await index.close();
    const opened = await open(content);
    console.log((await opened.search('water')).hits[0].url, (await opened.search('green')).hits[0].url);
    opened.close();`,
  );
  const commands = { node: [process.execPath], deno: [tools('deno'), 'run', '--allow-all', '--node-modules-dir=manual'], bun: [tools('bun')] };
  for (const [runtime, [command, ...args]] of Object.entries(commands)) {
    const { stdout, stderr } = await inProject(command, [...args, 'program.mjs']);
    assert.equal(stdout.trim(), '/b /a/', `${runtime}: ${stderr}`);
  }
});

/** How a developer bundles a script; what stands beside the package's own stays there. */
const bundling = (contents) => ({
  stdin: { contents, resolveDir: project },
  bundle: true,
  write: false,
  format: 'esm',
  external: ['*.wasm', 'node:*', './coracle-*.js'],
});

test('every_export_resolves_in_node_and_in_bundlers_to_the_file_of_its_host', async () => {
  const names = Object.keys(manifest.exports).map((name) => `@coracle-search/coracle${name.slice(1)}`);
  const script = `for (const name of ${JSON.stringify(names)}) console.log(import.meta.resolve(name));`;
  const { stdout } = await inProject(process.execPath, ['--input-type=module', '-e', script]);
  const files = stdout.trim().split('\n');
  assert.equal(files.length, names.length);
  for (const file of files) assert.ok(existsSync(new URL(file)), file);
  assert.ok(files[names.indexOf('@coracle-search/coracle')].endsWith('/dist/server.js'));

  const hosts = [
    ['browser', [], 'browser.js'],
    ['browser', ['worker'], 'browser.js'],
    ['neutral', ['workerd', 'worker'], 'workerd.js'],
    ['node', [], 'server.js'],
    ['neutral', ['deno'], 'server.js'],
    ['neutral', ['bun'], 'server.js'],
  ];
  for (const [platform, conditions, host] of hosts) {
    const { metafile } = await bundle({
      ...bundling(`export { open } from '@coracle-search/coracle'`),
      metafile: true,
      platform,
      conditions,
    });
    const files = Object.keys(metafile.inputs);
    assert.ok(files.some((file) => file.endsWith(`/dist/${host}`)), `${platform} ${conditions}: ${files}`);
  }
});

test('importing_the_search_alone_leaves_no_element_in_a_bundle', async () => {
  const bytes = async (contents) => {
    const { outputFiles } = await bundle({ ...bundling(contents), minify: true });
    return outputFiles[0].contents.length;
  };
  assert.ok((await bytes(`import { open } from '@coracle-search/coracle'`)) < 100, 'what is not used has no effects');
  for (const element of ['element', 'ask', 'modal']) {
    assert.ok((await bytes(`import '@coracle-search/coracle/${element}'`)) > 5_000, `${element} defines its element when it is imported`);
  }
});

test('types_hold_in_a_strict_project', async () => {
  writeFileSync(
    join(project, 'types.mts'),
    `import { open, CoracleError, type Hit } from '@coracle-search/coracle';
    import { createIndex, CoracleBuildError, type Built } from '@coracle-search/coracle/build';
    import '@coracle-search/coracle/element';
    import '@coracle-search/coracle/modal';
    import '@coracle-search/coracle/ask';
    const index = await createIndex({ baseUrl: '/docs/', language: 'en', embedder: 'none', layout: 'split', progress: (line: string) => line });
    await index.addDirectory({ path: 'docs', glob: '**/*.md', exclude: ['drafts/'] });
    await index.addRecord({ url: '/a', content: 'b', meta: { year: 2026, tags: ['a', 'b'] } });
    const built: Built = await index.write('out');
    // @ts-expect-error: there is no such layout
    await createIndex({ layout: 'heap' });
    const hits: Hit[] = (await (await open('out')).search('a')).hits;
    const error: Error = built.pages > hits.length ? new CoracleBuildError(1, 'a') : new CoracleError('a', 'b');
    export const code: string | number = (error as CoracleBuildError).code;
    `,
  );
  for (const [module, resolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
    const strict = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', ''];
    const args = [...strict, '--module', module, '--moduleResolution', resolution, 'types.mts'];
    const { code, stdout } = await inProject(tools('tsc'), args);
    assert.equal(code, 0, `${resolution}: ${stdout}`);
  }
});

test('packages_hold_what_they_say', async () => {
  const { messages } = await publint({ pkgDir: join(installed, 'coracle'), pack: false });
  assert.deepEqual(messages, []);
  const main = JSON.parse(readFileSync(join(installed, 'coracle/package.json'), 'utf8'));
  assert.deepEqual(Object.keys(main.optionalDependencies), Object.keys(platforms).map((name) => `@coracle-search/${name}`));
  assert.ok(Object.values(main.optionalDependencies).every((version) => version === main.version));
  const binary = `bin/coracle${process.platform === 'win32' ? '.exe' : ''}`;
  const command = JSON.parse(readFileSync(join(installed, here, 'package.json'), 'utf8'));
  assert.deepEqual([command.version, command.os, command.cpu], [main.version, [process.platform], [process.arch]]);
  assert.deepEqual(readFileSync(join(installed, here, binary)), readFileSync(cli));
  assert.deepEqual(readdirSync(join(installed, here)).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'LICENSE-MODEL', 'bin', 'package.json']);
});

test('package_of_another_platform_is_packed_from_a_given_binary_and_refused_here', async () => {
  const other = Object.keys(platforms).find((name) => name !== here && platforms[name].os[0] !== process.platform);
  const binary = join(folder, 'other');
  writeFileSync(binary, 'a command for elsewhere');
  const made = await run(process.execPath, [at('www/build/package.mjs'), '--target', other, '--binary', binary, '--out', folder], { env });
  const archive = made.stdout.trim().split('\n').at(-1);
  const { code, stderr } = await inProject('npm', ['install', '--offline', '--ignore-scripts', '--no-save', archive]);
  assert.notEqual(code, 0);
  assert.match(stderr, /EBADPLATFORM/);
  await assert.rejects(packCommand(folder, 'plan9-x64', binary), /no such platform/);
});
