// Firefox for tests, as it is installed on the machine, driven by WebDriver BiDi.
import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const places = ['/usr/bin/firefox-esr', '/usr/bin/firefox'];
export const firefox = process.env.FIREFOX ?? places.find((place) => existsSync(place));

/** Why tests in Firefox are skipped; in CI, where it is installed, they never are. */
export const without = firefox || process.env.CI ? false : 'no Firefox found (Debian: apt-get install firefox-esr; or FIREFOX=its path)';

export const launch = () => puppeteer.launch({ browser: 'firefox', executablePath: firefox, headless: true });

/** Opens a page; `complaints` tells the errors that it met. */
export async function openPage(browser, url) {
  const page = await browser.newPage();
  const met = [];
  page.on('pageerror', (error) => met.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Content.Security.Policy/i.test(message.text())) met.push(message.text());
  });
  await page.goto(url);
  return { page, complaints: async () => met };
}
