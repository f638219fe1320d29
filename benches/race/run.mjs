// Child processes: whole trees of them, ended in time.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Leaders of process groups that are running. */
const running = new Set();

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) end(child, 'SIGTERM');
    process.exit(1);
  });
}

/** Seconds that programs get to clean up, for example to close their browser. */
const GRACE = 10;

function end(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/**
 * Runs a command and returns the lines of its standard output; its standard error is shown.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, minutes?: number, onLine?: (line: string) => void }} [options]
 * `minutes` ends the command and everything it started after that time, which is an error.
 * @returns {Promise<string[]>}
 */
export async function run(command, args, { cwd, env, minutes, onLine } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  running.add(child);
  const late = [];
  const endAfter = (seconds, signal) =>
    setTimeout(() => {
      late.push(signal);
      end(child, signal);
    }, seconds * 1e3);
  const timers = minutes ? [endAfter(minutes * 60, 'SIGTERM'), endAfter(minutes * 60 + GRACE, 'SIGKILL')] : [];
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine?.(line);
  });
  try {
    const code = await closed;
    if (late.length) throw new Error(`${command} did not end within ${minutes} minutes`);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
  } finally {
    timers.forEach(clearTimeout);
    running.delete(child);
  }
  return lines;
}
