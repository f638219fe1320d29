// Building an index from a program: the same index as the command's, whatever it is made of.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { open } from '@coracle-search/coracle';
import { CoracleBuildError, createIndex } from '@coracle-search/coracle/build';
import { cli } from '../../www/build/search.mjs';

process.env.CORACLE_BINARY = cli;

const folder = mkdtempSync(join(tmpdir(), 'coracle-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What has no model to load builds in a moment. */
const fast = { embedder: 'none' };

const page = (title, text) => `<!doctype html><html lang="en"><title>${title}</title><main><h1>${title}</h1><p>${text}</p></main>`;

/** Lays down files, and returns their folder. */
function laid(name, files) {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const site = laid('site', {
  'index.html': page('Home', 'Small boats for rivers.'),
  'guide/index.html': page('Guide', 'Paddle on one side and then on the other.'),
  'guide/repair.html': page('Repair', 'Patch the skin with tar.'),
  'drafts/secret.html': page('Secret', 'Nobody reads about submarines.'),
  'notes.md': '# Notes\n\nWillow is bent while it is green.\n',
});

/** An index, closed when the work on it is over. */
async function making(options, work) {
  const index = await createIndex({ ...fast, ...options });
  try {
    return await work(index);
  } finally {
    await index.close();
  }
}

/** Works with another command, or none. */
async function withBinary(binary, work) {
  process.env.CORACLE_BINARY = binary;
  try {
    return await work();
  } finally {
    process.env.CORACLE_BINARY = cli;
  }
}

const contents = (root) => Object.fromEntries(readdirSync(root).sort().map((name) => [name, readFileSync(join(root, name))]));

async function found(from, query, options) {
  const index = await open(from);
  const { hits } = await index.search(query, options);
  index.close();
  return hits;
}

test('directory_gives_the_bytes_of_the_command', async () => {
  const [byCommand, byProgram] = [join(folder, 'by-command'), join(folder, 'by-program')];
  const flags = ['--embedder', 'none', '--base-url', '/boats/', '--url-style', 'clean', '--exclude', 'drafts/'];
  execFileSync(cli, ['build', '--json', site, '--out', byCommand, ...flags]);
  const built = await making({ baseUrl: '/boats/', urlStyle: 'clean' }, async (index) => {
    await index.addDirectory({ path: site, exclude: 'drafts/' });
    return index.write(byProgram);
  });
  assert.deepEqual(contents(byProgram), contents(byCommand));
  assert.deepEqual(
    { ...built, chunks: built.chunks > 0, bytes: built.bytes > 0, seconds: built.seconds > 0 },
    { pages: 4, chunks: true, files: readdirSync(byCommand).length, bytes: true, warnings: [], seconds: true },
  );
});

test('pages_in_memory_give_the_bytes_of_their_files', async () => {
  const paths = ['index.html', 'guide/index.html', 'guide/repair.html'];
  const build = (add) => making({ baseUrl: '/boats/' }, async (index) => {
    await add(index);
    return index.files();
  });
  const fromFiles = await build((index) => index.addDirectory({ path: site, glob: '*.html', exclude: ['drafts/'] }));
  const fromMemory = await build(async (index) => {
    for (const path of paths) await index.addHTML({ url: `/boats/${path}`, content: readFileSync(join(site, path), 'utf8') });
  });
  assert.deepEqual(fromMemory, fromFiles);
  assert.ok(fromMemory.some(({ path }) => path === 'root.cora'));
});

for (const [urlStyle, baseUrl, urls] of [
  ['directory', '/', ['/', '/a/', '/a/b.html', '/b%20c/', '/%C3%BC.html']],
  ['clean', '/', ['/', '/a/', '/a/b', '/v1.2']],
  ['file', '/', ['/index.html', '/a/b.html']],
  ['directory', 'https://boats.example/docs', ['https://boats.example/docs/', 'https://boats.example/docs/a/b.html']],
]) {
  test(`pages_keep_their_addresses: ${urlStyle} ${baseUrl}`, async () => {
    await making({ urlStyle, baseUrl, layout: 'bundle' }, async (index) => {
      for (const url of urls) await index.addHTML({ url, content: page('Coracle', 'A round boat.') });
      const [bundle] = await index.files();
      const hits = await found(bundle.content, 'coracle');
      assert.deepEqual(hits.map(({ url }) => url).sort(), [...urls].sort());
    });
  });
}

test('addresses_without_a_file_are_refused_with_a_way_out', async () => {
  await making({ baseUrl: '/docs/' }, async (index) => {
    for (const [url, hint] of [
      ['/docs/guide', /urlStyle: "clean"/],
      ['/other/guide/', /baseUrl/],
      ['/docs/guide/?page=2', /addRecord/],
      ['/docs/.hidden/', /addRecord/],
      ['/docs/../../etc/passwd/', /baseUrl/],
      ['/docs/%2e%2e%2f%2e%2e%2fx/', /addRecord/],
      ['https://elsewhere.example/docs/', /baseUrl/],
      ['/docs/%ff/', /correct/],
    ]) {
      await assert.rejects(index.addHTML({ url, content: page('A', 'b') }), (error) => {
        assert.ok(error instanceof CoracleBuildError, url);
        assert.equal(error.code, 2);
        assert.match(error.hint, hint, url);
        assert.ok(error.message.endsWith(error.hint));
        return true;
      });
    }
  });
});

test('records_are_found_by_their_metadata', async () => {
  const files = await making({ layout: 'bundle' }, async (index) => {
    await index.addRecord({
      url: '/kb/17?lang=en',
      title: 'Reset',
      content: 'Reset a password.',
      meta: { author: 'Ann' },
      filters: { tag: ['login', 'help'] },
      sort: { year: 2026 },
    });
    const content = 'Passwort vergessen: Wiederherstellung einrichten.';
    await index.addRecord({ id: 'other', url: '/kb/18', content, language: 'de', filters: { tag: 'hilfe' } });
    return index.files();
  });
  const [hit] = await found(files[0].content, 'password', { filter: { tag: 'login', year: { gte: 2026 } } });
  assert.deepEqual([hit.id, hit.url, hit.title], ['/kb/17?lang=en', '/kb/17?lang=en', 'Reset']);
  assert.deepEqual(hit.meta, { author: 'Ann', tag: ['login', 'help'], year: 2026 });
  const [german] = await found(files[0].content, 'vergessenes Passwort', { filter: { tag: 'hilfe' } });
  assert.equal(german.id, 'other');
});

test('index_can_be_written_again_after_a_change', async () => {
  await making({ layout: 'bundle' }, async (index) => {
    await index.addHTML({ url: '/a/', content: page('Tides', 'Ebb and flow.') });
    await index.addRecord({ url: '/b/', content: 'Moorings.' });
    const [before] = await index.files();
    await index.addHTML({ url: '/a/', content: page('Winds', 'Gusts and lulls.') });
    await index.addRecord({ url: '/b/', content: 'Anchorages.' });
    const [after] = await index.files();
    assert.deepEqual((await found(before.content, 'tides moorings')).map(({ url }) => url).sort(), ['/a/', '/b/']);
    assert.deepEqual(await found(after.content, 'moorings'), []);
    assert.deepEqual((await found(after.content, 'winds anchorages')).map(({ url }) => url).sort(), ['/a/', '/b/']);
  });
});

test('what_is_left_out_is_named_as_it_was_given', async () => {
  const broken = laid('broken', { 'good.html': page('Good', 'Text.'), 'bad.md': '---\ntitle: [\n---\nText.\n' });
  await making({}, async (index) => {
    await index.addDirectory({ path: broken, glob: '*' });
    await index.addHTML({ url: '/empty/', content: '<main></main>' });
    await index.addRecord({ url: '/fine', content: 'Text.' });
    await index.addRecord({ url: 'javascript:alert(1)', id: 'evil', content: 'Text.' });
    const { pages, warnings } = await index.write(join(folder, 'left-out'));
    assert.equal(pages, 2);
    const places = warnings.map((warning) => warning.slice(0, warning.indexOf(': '))).sort();
    assert.deepEqual(places, [`${join(broken, 'bad.md')}:2`, 'empty/index.html', 'evil'].sort());
  });
});

test('failure_has_the_commands_code_and_way_out_and_leaves_the_index', async () => {
  const out = join(folder, 'kept');
  await making({}, async (index) => {
    await index.addDirectory({ path: site });
    await index.write(out);
  });
  const before = contents(out);
  const failures = [
    [{}, (index) => index.addDirectory({ path: join(folder, 'nowhere') }), 5, /check the path/],
    [{}, (index) => index.addDirectory({ path: join(folder, 'nowhere'), glob: '*' }), 5, /check the path/],
    [{ strict: true }, (index) => index.addHTML({ url: '/empty/', content: '<main></main>' }), 3],
    [{ maxColdBytes: 1 }, (index) => index.addDirectory({ path: site }), 7],
    [{ recall: 7 }, (index) => index.addDirectory({ path: site }), 2],
    [{}, () => undefined, 3, /add a directory/],
  ];
  for (const [options, add, code, hint] of failures) {
    await making(options, async (index) => {
      await add(index);
      await assert.rejects(index.write(out), (error) => {
        assert.ok(error instanceof CoracleBuildError, error.stack);
        assert.equal(error.code, code, error.message);
        assert.ok(error.message.length > 0 && !error.message.includes('{"error"'), error.message);
        if (hint) assert.match(error.hint, hint);
        return true;
      });
    });
    assert.deepEqual(contents(out), before);
  }
  await assert.rejects(createIndex({ chunkTokns: 5 }), { code: 2, message: /chunkTokns/ });
});

test('coracle_toml_of_the_working_folder_does_not_count', async () => {
  const project = laid('project', { 'coracle.toml': '[build]\nstrict = "perhaps"\n', 'docs/a.md': '# Tar\n\nBlack.\n' });
  const script = `
    import { createIndex } from '@coracle-search/coracle/build';
    process.chdir(${JSON.stringify(project)});
    const index = await createIndex({ embedder: 'none' });
    await index.addDirectory({ path: 'docs' });
    console.log((await index.write('out')).pages);
    await index.close();`;
  assert.equal(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim(), '1');
  assert.ok(readdirSync(join(project, 'out')).includes('root.cora'));
});

test('indexes_made_at_once_do_not_mix', async () => {
  const words = ['willow', 'hazel'];
  const bundles = await Promise.all(
    words.map((word) =>
      // The embedded model, since that is what shares a cache.
      making({ embedder: 'default', cache: join(folder, 'cache'), layout: 'bundle' }, async (index) => {
        await index.addHTML({ url: '/wood/', content: page(word, `Boats of ${word}.`) });
        return (await index.files())[0].content;
      }),
    ),
  );
  for (const [number, word] of words.entries()) assert.equal((await found(bundles[number], word))[0].title, word);
});

test('cache_that_another_process_uses_is_waited_for', { skip: process.platform !== 'linux' && 'flock(1) is there on Linux only' }, async () => {
  const cache = join(folder, 'cache');
  const lines = [];
  const options = { embedder: 'default', cache, progress: (line) => lines.push(line) };
  // Once, so that there is a file to lock.
  const add = (index) => index.addRecord({ url: '/', content: 'Tar.' });
  await making(options, async (index) => {
    await add(index);
    await index.files();
  });
  const [file] = readdirSync(cache);
  const other = spawn('flock', [join(cache, file), 'sh', '-c', 'echo locked; read _'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  await making({ ...options, progress: (line) => (lines.push(line), line.startsWith('waiting') && other.stdin.end()) }, async (index) => {
    await add(index);
    assert.equal((await index.files()).length, 2);
  });
  assert.ok(lines.some((line) => line.startsWith('waiting')));
});

test('signal_stops_a_build_with_its_reason', async () => {
  const stop = new AbortController();
  const out = join(folder, 'stopped');
  const reason = new Error('enough');
  const index = await createIndex({ ...fast, signal: stop.signal, progress: () => stop.abort(reason) });
  await index.addDirectory({ path: site });
  await assert.rejects(index.write(out), reason);
  await assert.rejects(index.write(out), reason);
  await index.close();
  assert.throws(() => readFileSync(join(out, 'root.cora')), { code: 'ENOENT' });
  await assert.rejects(createIndex({ signal: AbortSignal.abort(reason) }), reason);
});

for (const [stopped, stop, expected] of [
  ['signal', (index, controller) => controller.abort(new Error('enough')), { message: 'enough' }],
  ['closing', (index) => index.close(), { code: 130 }],
]) {
  test(`${stopped}_ends_a_command_that_runs`, { skip: process.platform === 'win32' }, async () => {
    const hangs = join(laid('hangs', { 'coracle': '#!/bin/sh\necho $$ > "$PID_FILE"\nexec sleep 600\n' }), 'coracle');
    chmodSync(hangs, 0o755);
    process.env.PID_FILE = join(folder, `${stopped}.pid`);
    const controller = new AbortController();
    const index = await createIndex({ ...fast, signal: controller.signal });
    await index.addDirectory({ path: site });
    await withBinary(hangs, async () => {
      const built = assert.rejects(index.files(), expected);
      const pid = () => existsSync(process.env.PID_FILE) && Number(readFileSync(process.env.PID_FILE, 'utf8'));
      while (!pid()) await setTimeout(20);
      await stop(index, controller);
      await built;
      assert.throws(() => process.kill(pid(), 0), { code: 'ESRCH' });
    });
    await index.close();
  });
}

test('closed_index_leaves_nothing_behind', async () => {
  const scratch = join(folder, 'temporary');
  mkdirSync(scratch);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = scratch;
  try {
    const index = await createIndex(fast);
    await index.addHTML({ url: '/', content: page('A', 'b') });
    await index.files();
    const running = index.files();
    const [closed] = await Promise.allSettled([index.close(), assert.rejects(running, { code: 130 })]);
    assert.equal(closed.status, 'fulfilled');
    await assert.rejects(index.addHTML({ url: '/', content: '' }), { code: 130 });
    await assert.rejects(index.files(), { code: 130 });
    await index.close();
    assert.deepEqual(readdirSync(scratch), []);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});

test('progress_tells_of_every_stage', async () => {
  const lines = [];
  await making({ progress: (line) => lines.push(line) }, async (index) => {
    await index.addDirectory({ path: site });
    await index.files();
  });
  assert.ok(lines.length > 3);
  assert.match(lines.at(-1), /^indexed 5 documents in \d+ chunks/);
  assert.ok(lines.some((line) => line.startsWith('read ')));
});

test('missing_command_is_an_error_that_names_the_platform_or_the_variable', async () => {
  await making({}, async (index) => {
    await index.addRecord({ url: '/', content: 'Text.' });
    for (const [binary, message] of [
      [join(folder, 'nothing'), /CORACLE_BINARY names/],
      ['', new RegExp(`${process.platform}-${process.arch}`)],
      [join(site, 'notes.md'), /cannot be started/],
    ]) {
      await withBinary(binary, () => assert.rejects(index.files(), { name: 'CoracleBuildError', code: 127, message }));
    }
  });
});
