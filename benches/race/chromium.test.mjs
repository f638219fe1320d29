import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, test } from 'node:test';
import { findChromium, searchInChromium } from './chromium.mjs';

const folder = mkdtempSync(join(tmpdir(), 'chromium-'));
after(() => rmSync(folder, { recursive: true }));

test('find_chromium_takes_the_one_named_then_the_first_on_the_path', () => {
  const place = join(folder, 'chromium');
  writeFileSync(place, '', { mode: 0o755 });
  writeFileSync(join(folder, 'google-chrome'), '', { mode: 0o644 });
  const PATH = ['/nowhere', folder].join(delimiter);
  assert.equal(findChromium({ CHROMIUM: '/named', PATH }), '/named');
  assert.equal(findChromium({ PATH }), place);
  assert.equal(findChromium({ PATH: '/nowhere' }), undefined);
  rmSync(place);
  assert.equal(findChromium({ PATH }), undefined, 'what cannot be executed is no browser');
});

/** A WASI command that writes `text` to standard output and ends with `code`. */
function program(text, code) {
  const bytes = (string) => [string.length, ...Buffer.from(string)];
  const section = (id, ...content) => [id, content.length, ...content];
  const i32 = 0x7f;
  const from = 'wasi_snapshot_preview1';
  const constant = (value) => [0x41, value];
  const body = [
    0, ...constant(1), ...constant(0), ...constant(1), ...constant(32), 0x10, 0, 0x1a, ...constant(code), 0x10, 1, 0x0b,
  ];
  // The vector of one buffer at 0: the text's address, its length.
  const memory = [8, 0, 0, 0, text.length, 0, 0, 0, ...Buffer.from(text)];
  return new Uint8Array([
    0, ...Buffer.from('asm'), 1, 0, 0, 0,
    ...section(1, 3, 0x60, 4, i32, i32, i32, i32, 1, i32, 0x60, 1, i32, 0, 0x60, 0, 0),
    ...section(2, 2, ...bytes(from), ...bytes('fd_write'), 0, 0, ...bytes(from), ...bytes('proc_exit'), 0, 1),
    ...section(3, 1, 2),
    ...section(5, 1, 0, 1),
    ...section(7, 2, ...bytes('memory'), 2, 0, ...bytes('_start'), 0, 2),
    ...section(10, 1, body.length, ...body),
    ...section(11, 1, 0, ...constant(0), 0x0b, memory.length, ...memory),
  ]);
}

test('program_in_chromium_gives_its_lines_and_a_failure_is_an_error', async () => {
  const job = { executable: findChromium(), wasm: join(folder, 'program.wasm'), folders: {}, args: [] };
  assert.ok(job.executable, 'no Chromium found: install one or set CHROMIUM');
  writeFileSync(job.wasm, program('one\ntwo\n', 0));
  assert.deepEqual(await searchInChromium(job), ['one', 'two']);
  writeFileSync(job.wasm, program('one\n', 3));
  await assert.rejects(searchInChromium(job), /ended with 3/);
  writeFileSync(job.wasm, 'no module');
  await assert.rejects(searchInChromium(job), /CompileError/);
});
