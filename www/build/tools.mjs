// What every build step needs: where things are, how to run a command, when a step may be skipped.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const at = (...parts) => join(root, ...parts);

/** Must be the version of the crate `wasm-bindgen` in Cargo.toml: the two speak a private protocol. */
export const BINDGEN = '0.2.130';

const toolFolder = at('target/tools');
process.env.PATH = [join(toolFolder, 'bin'), at('node_modules/.bin'), process.env.PATH].join(delimiter);

/** Says what happens now; the commands' own output follows. */
export const say = (text) => console.error(`\x1b[1m▸ ${text}\x1b[0m`);

/** Runs a command in the project's folder, its output shown; rejects if it fails. */
export function run(command, args, { env = {}, cwd = root } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } });
    child.on('error', () => fail(new Error(`${command} cannot be started; is it installed?`)));
    child.on('exit', (code, signal) =>
      code === 0 ? done() : fail(new Error(`\`${command} ${args.join(' ')}\` ended with ${signal ?? `exit code ${code}`}`)),
    );
  });
}

/** What a command prints, trimmed; empty if it fails or does not exist. */
export function output(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

/** Every file below the given files and folders, sorted. */
export function filesBelow(...paths) {
  return paths.flatMap((path) => {
    if (!existsSync(path)) return [];
    if (!statSync(path).isDirectory()) return [path];
    return filesBelow(
      ...readdirSync(path)
        .sort()
        .map((name) => join(path, name)),
    );
  });
}

/**
 * Runs `work` unless it ran before on the same inputs and left its outputs there.
 *
 * @param name names the step; its stamp is kept in `target/stamps`
 * @param inputs files and folders that decide the result
 * @param outputs what must exist for the step to be skipped
 */
export async function unlessFresh(name, inputs, outputs, work) {
  const hash = createHash('sha256');
  for (const file of filesBelow(...inputs)) hash.update(file.slice(root.length)).update(readFileSync(file));
  const digest = hash.digest('hex');
  const stamp = at('target/stamps', name);
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && outputs.every((path) => existsSync(path));
  if (fresh) return;
  say(name);
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

/** A target without an operating system or a standard library. */
export const BARE_TARGET = 'wasm32v1-none';

/** Installs what a clean machine with Rust and Node lacks. */
export async function prepare() {
  await unlessFresh('npm packages', [at('package-lock.json')], [at('node_modules')], () => run('npm', ['ci']));
  const sysroot = output('rustc', ['--print', 'sysroot']);
  if (sysroot === '') throw new Error('rustc is missing; install Rust from https://rustup.rs');
  // The module's target, and a bare one that proves the library needs no system.
  for (const target of ['wasm32-unknown-unknown', BARE_TARGET]) {
    if (existsSync(join(sysroot, 'lib/rustlib', target))) continue;
    say(`Rust target ${target}`);
    await run('rustup', ['target', 'add', target]);
  }
  if (output('wasm-bindgen', ['--version']) !== `wasm-bindgen ${BINDGEN}`) {
    say(`wasm-bindgen ${BINDGEN} (a minute or two, once)`);
    const args = ['install', 'wasm-bindgen-cli', '--version', BINDGEN, '--debug', '--root', toolFolder];
    // Not optimised: it compiles three times faster, and its work here takes milliseconds.
    await run('cargo', args, { env: { CARGO_PROFILE_DEV_DEBUG: '0' } });
  }
}
