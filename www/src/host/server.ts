/** Node, Deno and Bun: the module is a file, and an index may be a folder on disk. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initSync, onNext, onRest } from '../../pkg/coracle.js';
import { folderUrl, isData, openEngine, toIndex, type OpenOn } from '../engine.js';
import { folderSource } from './folder.js';

let ready: Promise<unknown> | undefined;

const part = (file: string) => new WebAssembly.Module(readFileSync(new URL(file, import.meta.url)));

onRest(() => part('./coracle_rest.wasm'));

const loadVerify = () => import('../verify.js');

export const openOn: OpenOn = async (from, { signal, timeout, publicKey }) => {
  ready ??= readFile(new URL('./coracle_bg.wasm', import.meta.url)).then((module) => {
    initSync({ module });
    onNext(part('./coracle_next.wasm'));
  });
  await ready;
  if (isData(from)) return toIndex(await openEngine(from, { signal, timeout, publicKey, loadVerify }));
  if (/^https?:/.test(String(from))) return toIndex(await openEngine(folderUrl(from), { signal, timeout, publicKey, loadVerify }));
  const folder = String(from).startsWith('file:') ? fileURLToPath(from) : resolve(String(from));
  return toIndex(await openEngine(folderSource(folder), { signal, timeout, publicKey, loadVerify }));
};
