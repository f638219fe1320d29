// Chromium for tests, as it is installed on the machine.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];

export function launch() {
  const executablePath = process.env.CHROMIUM ?? places.find((place) => existsSync(place));
  if (!executablePath) {
    throw new Error('no Chromium found: install one (Debian: apt-get install chromium) or set CHROMIUM to its path');
  }
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet] });
}

/**
 * A page that fails the test for every error, refused resource or broken policy it meets.
 *
 * @returns the page, and the list that those complaints go to
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  await page.addInitScript(() => addEventListener('coracle-results', ({ detail }) => (globalThis.answered = detail.query), true));
  await page.goto(url);
  return { page, complaints };
}

/**
 * A browser for all tests of a file. Browsers crash at times, whatever they show: then another one is
 * started, and the test that met it is done again, once.
 */
export function tireless() {
  let browser;
  const alive = async () => (browser?.isConnected() ? browser : (browser = await launch()));
  return {
    async use(work) {
      const first = await alive();
      try {
        return await work(first);
      } catch (thrown) {
        if (first.isConnected()) throw thrown;
        console.error(`the browser died: ${thrown.message.split('\n')[0]}`);
        return work(await alive());
      }
    },
    close: () => browser?.close(),
  };
}

/** Serves a site and works on its first page; page and server are gone after, whatever happens. */
export function onSite(browser, site, options, work) {
  return browser.use(async (browser) => {
    const server = await serve(site);
    try {
      const { page, complaints } = await openPage(browser, `${server.url}/`, options);
      try {
        await work(page, server, complaints);
      } finally {
        await page.context().close();
      }
    } finally {
      await server.close();
    }
  });
}

/** Resolves once a field shows the results of this very query, not of a part of it. */
export function answered(page, query) {
  return page.waitForFunction((query) => globalThis.answered === query, query);
}
