// Projects of site generators: copied, built, and served by the generator's own development server.
import { spawn } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { cli } from '../../../www/build/search.mjs';
import { at } from './project.mjs';

const projects = at('tests/plugins/');
const packages = join(projects, 'node_modules');

/** A generator that is asked nothing, and tells nobody that it runs. */
const env = { ...process.env, CORACLE_BINARY: cli, ASTRO_TELEMETRY_DISABLED: '1', NO_UPDATE_NOTIFIER: '1', CI: '1', BROWSER: 'none', NO_COLOR: '1' };

/** Puts this package where the projects import it from: what would be published, not a link to its sources. */
export async function installPackage() {
  const place = join(packages, '@coracle-search/coracle');
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true });
  for (const name of ['package.json', 'dist']) await cp(at(`www/${name}`), join(place, name), { recursive: true });
}

/** A copy of a project, whose files a test may change. */
export async function copyOf(name) {
  const folder = join(projects, 'run', name);
  await rm(folder, { recursive: true, force: true });
  await cp(join(projects, name), folder, { recursive: true });
  return folder;
}

/** Runs a generator's command; `ended` is when it ends, with its exit code and everything it said. */
function run(folder, [bin, ...args]) {
  const child = spawn(process.execPath, [join(packages, bin), ...args], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const ended = new Promise((done) => child.on('close', (code) => done({ code, said })));
  return { child, ended, said: () => said };
}

export async function build(folder, command) {
  const { code, said } = await run(folder, command).ended;
  if (code !== 0) throw new Error(`the build ended with ${code}:\n${said}`);
  return said;
}

/** Starts a development server and works with its address; it is gone after. */
export async function withDevServer(folder, command, base, work) {
  const port = await freePort();
  const { child, ended, said } = run(folder, [...command, '--host', '127.0.0.1', '--port', String(port)]);
  const origin = `http://127.0.0.1:${port}`;
  let isOver = false;
  void ended.then(() => (isOver = true));
  try {
    while (!(await fetch(origin + base).then(({ ok }) => ok, () => false))) {
      if (isOver) throw new Error('the development server ended');
      await new Promise((done) => setTimeout(done, 250));
    }
    await work(origin);
  } catch (thrown) {
    throw new Error(`${thrown.message}\nThe development server said:\n${said()}`, { cause: thrown });
  } finally {
    // With whatever it started.
    if (!isOver) process.kill(-child.pid, 'SIGKILL');
    await ended;
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
