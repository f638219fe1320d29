// The manifest of the elements, which is made of what their source says about them, against the elements.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { at } from './support/project.mjs';

const manifest = JSON.parse(readFileSync(at('www/dist/custom-elements.json'), 'utf8'));
const elements = manifest.modules.flatMap(({ path, declarations }) => declarations.map((element) => ({ path, ...element })));
const names = (list = []) => list.map(({ name }) => name).sort();

/** What is in an element's script, and in the one that it loads when needed. */
const scripts = (path) => readFileSync(at(`www/${path}`), 'utf8') + readFileSync(at('www/dist/coracle-more.js'), 'utf8');

// Elements are classes of the browser: this much of it is enough to ask them what they observe.
globalThis.HTMLElement = class {};
const registered = new Map();
globalThis.customElements = { get: (name) => registered.get(name), define: (name, element) => registered.set(name, element) };
globalThis.document = { baseURI: 'http://localhost/' };

test('manifest_knows_every_element', async () => {
  for (const file of new Set(elements.map(({ path }) => path))) await import(at(`www/${file}`));
  assert.deepEqual(elements.map(({ tagName }) => tagName).sort(), [...registered.keys()].sort());
});

test('every_attribute_in_it_is_one_and_every_observed_one_is_in_it', () => {
  for (const { tagName, path, attributes } of elements) {
    const observed = registered.get(tagName).observedAttributes;
    const told = names(attributes);
    assert.equal(new Set(told).size, told.length, tagName);
    assert.deepEqual(observed.filter((name) => !told.includes(name)), [], `${tagName} observes what is not told`);
    const script = scripts(path);
    // What is read when it is needed, or by a style alone, need not be observed.
    const unknown = told.filter((name) => !observed.includes(name) && !script.includes(`"${name}"`) && !script.includes(`[${name}`));
    assert.deepEqual(unknown, [], `${tagName} is told to have what it never reads`);
  }
});

test('every_event_part_and_property_in_it_is_in_the_element', () => {
  for (const { tagName, path, events, cssParts, cssProperties, members } of elements) {
    const script = scripts(path);
    for (const name of names(events)) assert.ok(script.includes(name), `${tagName} fires ${name}`);
    for (const name of names(cssParts)) assert.ok(new RegExp(`part:"[^"]*\\b${name}\\b|\\b${name}"`).test(script), `${tagName} has a part ${name}`);
    for (const name of names(cssProperties)) assert.ok(script.includes(name), `${tagName} reads ${name}`);
    assert.deepEqual(names(members).filter((name) => name.startsWith('#')), [], tagName);
  }
});
