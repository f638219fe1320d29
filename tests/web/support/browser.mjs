// Chromium for tests, as it is installed on the machine.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

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

/** Resolves once a field shows the results of this very query, not of a part of it. */
export function answered(page, query) {
  return page.waitForFunction((query) => globalThis.answered === query, query);
}
