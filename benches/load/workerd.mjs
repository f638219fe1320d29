// The worker in workerd, which reads the index from a server of this process as it would from a bucket.
import { readdirSync, readFileSync } from 'node:fs';
import { startWorker } from '../../tests/web/support/edge.mjs';

/** The process that runs workers for this one. */
function workerd() {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, , parent] = /\((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      if (name.startsWith('workerd') && Number(parent) === process.pid) return Number(pid);
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error('no workerd below this process');
}

export async function start(index) {
  // As on the paid plan: with the 45 of the free one, large gaps are read to save requests.
  const worker = await startWorker('http', `${index}/`, { MAX_SUBREQUESTS: '1000' });
  return { url: worker.url, pid: workerd(), stop: worker.stop };
}
