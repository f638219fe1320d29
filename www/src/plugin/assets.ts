/** What elements need beside an index, out of this package. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as build from '../build/assets.js';

/** The package's `dist`: the plugins are in a folder of it. */
const dist = fileURLToPath(new URL('..', import.meta.url));

export const assetNames = () => build.assetNames(dist);

/** The file of an asset, or `undefined` if there can be none of this name. */
export const assetFile = (name: string): string | undefined => (build.isAsset(name) ? join(dist, name) : undefined);

export const copyAssets = (to: string) => build.copyAssets(dist, to);
