/** What pages load of this package: the elements' scripts, the module, and texts in other languages than English. */
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const LANGUAGES = 'languages';

export const isAsset = (name: string) => /^(?:coracle[-_][\w-]+\.(?:js|wasm)|languages\/[\w-]+\.js)$/.test(name);

/** Names below `dist`, the package's folder of that name. */
export async function assetNames(dist: string): Promise<string[]> {
  const languages = await readdir(join(dist, LANGUAGES)).catch(() => []);
  return [...(await readdir(dist)), ...languages.map((name) => `${LANGUAGES}/${name}`)].filter(isAsset);
}

export async function copyAssets(dist: string, to: string): Promise<void> {
  for (const name of await assetNames(dist)) await cp(join(dist, name), join(to, name));
}
