/** What elements need beside an index: the scripts of this package, the module, and whatever stands beside them. */
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's `dist`: the plugins are in a folder of it. */
const dist = fileURLToPath(new URL('..', import.meta.url));

/** Texts of the elements in other languages than English. */
const LANGUAGES = 'languages';

const isAsset = (name: string) => /^(?:coracle[-_][\w-]+\.(?:js|wasm)|languages\/[\w-]+\.js)$/.test(name);

export async function assetNames(): Promise<string[]> {
  const languages = await readdir(join(dist, LANGUAGES)).catch(() => []);
  return [...(await readdir(dist)), ...languages.map((name) => `${LANGUAGES}/${name}`)].filter(isAsset);
}

/** The file of an asset, or `undefined` if there can be none of this name. */
export const assetFile = (name: string): string | undefined => (isAsset(name) ? join(dist, name) : undefined);

export async function copyAssets(to: string): Promise<void> {
  for (const name of await assetNames()) await cp(join(dist, name), join(to, name));
}
