/** Cloudflare's workerd: the module's parts are imports, since isolates may not compile at run time. */
import module from '../../pkg/coracle_bg.wasm';
import next from '../../pkg/coracle_next.wasm';
import rest from '../../pkg/coracle_rest.wasm';
import { initSync, onNext, onRest } from '../../pkg/coracle.js';
import { folderUrl, isData, openEngine, toIndex, type OpenOn } from '../engine.js';

let ready = false;

onRest(() => rest);

const loadVerify = () => import('../verify.js');

export const openOn: OpenOn = async (from, { signal, timeout, publicKey }) => {
  if (!ready) {
    initSync({ module });
    onNext(next);
    ready = true;
  }
  return toIndex(await openEngine(isData(from) ? from : folderUrl(from), { signal, timeout, publicKey, loadVerify }));
};
