/** `npx coracle`: the command of this platform, with the same arguments, exit code and signals; and `init`. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { findBinary, NOT_FOUND, notStarted } from './binary.js';
import { init, INIT_HELP } from './init.js';

function fail(thrown: unknown): never {
  console.error(`coracle: ${(thrown as Error).message}`);
  process.exit(NOT_FOUND);
}

function command(): string {
  try {
    return findBinary();
  } catch (thrown) {
    return fail(thrown);
  }
}

const given = process.argv.slice(2);
const binary = command();
// What `init` leaves to the command is the first build.
const begun = given[0] === 'init' ? await init(given.slice(1)) : undefined;
const child = spawn(binary, begun?.args ?? given, { stdio: 'inherit' });
child.on('error', (cause) => fail(notStarted(binary, cause)));

const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
for (const signal of signals) {
  // A terminal sends Ctrl-C to the command too: it is enough then not to end before it does.
  const isShared = signal === 'SIGINT' && process.stdin.isTTY;
  process.on(signal, () => isShared || child.kill(signal));
}
child.on('exit', (code, signal) => {
  if (signal === null) {
    if (code === 0 && begun) console.log(begun.next);
    if (code === 0 && given.length === 1 && /^(help|--help|-h)$/.test(given[0]!)) console.log(`\n${INIT_HELP}`);
    process.exitCode = code ?? 1;
    return;
  }
  // The same end for whoever waits, and a shell's code for it should this process outlive its signal.
  process.removeAllListeners(signal);
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
  process.kill(process.pid, signal);
});
