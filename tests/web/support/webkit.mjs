// WebKitGTK for tests: the MiniBrowser that comes with the library, on a screen of its own that nobody
// sees, driven by WebDriver (https://www.w3.org/TR/webdriver2/).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Key, WebDriver } from 'selenium-webdriver';
import { Executor, HttpClient } from 'selenium-webdriver/http/index.js';

/** How long anything may take that a test waits for. */
const PATIENCE = 30_000;

/** Folders in a folder. */
const inside = (folder) =>
  existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => `${folder}/${name}`) : [];

// Debian has it in /usr/lib/<architecture>/webkit2gtk-<version>, Fedora in /usr/libexec/webkit2gtk-<version>.
const browser = [...inside('/usr/lib').flatMap(inside), ...inside('/usr/libexec')]
  .filter((folder) => /\/webkit2?gtk-[\d.]+$/.test(folder))
  .map((folder) => `${folder}/MiniBrowser`)
  .find(existsSync);
const [driver, screen] = ['WebKitWebDriver', 'Xvfb'].map((name) => `/usr/bin/${name}`);

/** Why tests in WebKitGTK are skipped. */
export const without = browser && [driver, screen].every(existsSync) ? false : 'no WebKitGTK found (Debian: apt-get install webkit2gtk-driver xvfb)';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Asks again until the answer is one. */
async function until(holds, what) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await wait(20)) {
    const answer = await holds();
    if (answer) return answer;
  }
  throw new Error(`waited in vain for ${what}`);
}

/** A process that ends with this one. */
function start(command, args, options) {
  const child = spawn(command, args, options);
  const end = () => child.kill();
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return child;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

export async function launch() {
  // It takes the first number of a screen that is free, and says which.
  const display = start(screen, ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp', '-noreset'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const failed = once(display, 'exit').then(([code]) => Promise.reject(new Error(`Xvfb ended with ${code}`)));
  failed.catch(() => {});
  const [number] = await Promise.race([once(display.stdio[3].setEncoding('utf8'), 'data'), failed]);
  const port = await freePort();
  const service = start(driver, [`--port=${port}`], { stdio: 'ignore', env: { ...process.env, DISPLAY: `:${number.trim()}`, GDK_BACKEND: 'x11' } });
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/status`).then(({ ok }) => ok, () => false), 'WebKitWebDriver');
  return {
    executor: new Executor(new HttpClient(url)),
    async close() {
      await stop(service);
      await stop(display);
    },
  };
}

/** A page with the methods of Puppeteer's that tests use. */
function pageOf(session) {
  const run = (code, ...args) => session.executeScript(typeof code === 'string' ? `return (${code.replace(/[;\s]+$/, '')}\n);` : code, ...args);
  const named = (key) => (key.length === 1 ? key : Key[key.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()]);
  return {
    evaluate: run,
    waitForFunction: (code, ...args) => until(() => run(code, ...args), code),
    waitForSelector: (selector) => until(() => run((selector) => document.querySelector(selector) !== null, selector), selector),
    keyboard: {
      type: (text) => session.actions().sendKeys(text).perform(),
      press: (key) => session.actions().sendKeys(named(key)).perform(),
      down: (key) => session.actions().keyDown(named(key)).perform(),
      up: (key) => session.actions().keyUp(named(key)).perform(),
    },
    // The browser shows one at a time, and starts within a second.
    close: () => session.quit(),
  };
}

/** Opens a page in a browser that knows nothing of others; `complaints` tells what it noted about itself. */
export async function openPage({ executor }, url) {
  const session = await WebDriver.createSession(executor, { browserName: 'MiniBrowser', 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } });
  const page = pageOf(session);
  try {
    await session.get(url);
  } catch (error) {
    await page.close();
    throw error;
  }
  return { page, complaints: () => page.evaluate(() => globalThis.complaints) };
}
