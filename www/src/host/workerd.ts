/** Cloudflare's workerd: the module is an import, since isolates may not compile at run time. */
import module from '../../pkg/coracle_bg.wasm';
import { initSync } from '../../pkg/coracle.js';
import { folderUrl, isData, openEngine, toIndex, type OpenOn } from '../engine.js';

let ready = false;

const loadVerify = () => import('../verify.js');

export const openOn: OpenOn = async (from, { signal, timeout, publicKey }) => {
  if (!ready) initSync({ module });
  ready = true;
  return toIndex(await openEngine(isData(from) ? from : folderUrl(from), { signal, timeout, publicKey, loadVerify }));
};
