/** Runs the command and reads its summary. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { findBinary, NoBinary, NOT_FOUND, notStarted } from './binary.js';
import { CoracleBuildError } from './error.js';

/** What `coracle build --json` prints, as far as it is used. */
export interface Summary {
  documents: number;
  chunks: number;
  files: number;
  bytes_out: number;
  seconds: number;
  stages: { stage: string; seconds: number }[];
  quarantined: { place: string; reason: string }[];
}

interface How {
  signal: AbortSignal;
  progress: ((line: string) => void) | undefined;
  /** Puts the caller's names into what the command says. */
  named: (text: string) => string;
}

/** What the command says of a cache of vectors in which another process is at work. */
const BUSY = /another process is using it/;

/** Milliseconds for which such a process is waited for, and between two looks at it. */
const PATIENCE = 600_000;
const PAUSE = 500;

/**
 * Runs the command, again while another process uses the cache: whoever builds two sites at once wants both.
 *
 * @throws CoracleBuildError with the command's exit code; the reason of a signal that fires
 */
export async function run(args: string[], how: How): Promise<Summary> {
  for (const started = performance.now(); ; ) {
    try {
      return await once(args, how);
    } catch (thrown) {
      const isBusy = thrown instanceof CoracleBuildError && BUSY.test(thrown.message);
      if (!isBusy || performance.now() - started > PATIENCE) throw thrown;
      how.progress?.('waiting for another build that uses the same cache …');
      // A signal that fires meanwhile is seen when the command is to be started.
      await setTimeout(PAUSE);
    }
  }
}

async function once(args: string[], { signal, progress, named }: How): Promise<Summary> {
  let binary: string;
  try {
    binary = findBinary();
  } catch (thrown) {
    throw noCommand(thrown as NoBinary);
  }
  progress?.('indexing …');
  signal.throwIfAborted();
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
  const stop = () => child.kill();
  signal.addEventListener('abort', stop, { once: true });
  const ended = new Promise<number>((done, fail) => {
    child.on('error', (cause) => fail(noCommand(notStarted(binary, cause))));
    child.on('close', (code, killer) => {
      if (killer) fail(new CoracleBuildError(STOPPED_BY_SIGNAL, `the command was ended by ${killer}`));
      else done(code ?? 0);
    });
  });
  const complaint: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    complaint.push(line);
  });
  try {
    const [code, printed] = await Promise.all([ended, text(child.stdout)]);
    if (code !== 0) throw failed(code, complaint, named);
    const summary = JSON.parse(printed) as Summary;
    for (const { stage, seconds } of summary.stages) progress?.(`${stage} ${seconds.toFixed(2)} s`);
    const { documents, chunks, files, bytes_out: bytes, seconds } = summary;
    progress?.(`indexed ${documents} documents in ${chunks} chunks: ${files} files, ${bytes} bytes, ${seconds.toFixed(1)} s`);
    return summary;
  } catch (thrown) {
    // A command that was stopped did not fail.
    signal.throwIfAborted();
    throw thrown;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Shells' code for a process that a signal ended. */
const STOPPED_BY_SIGNAL = 128;

const noCommand = ({ message, hint, cause }: NoBinary) => new CoracleBuildError(NOT_FOUND, message.slice(0, -hint.length - 2), hint, { cause });

/** What the command said last, as an error: one line of JSON, or the words of its grammar. */
function failed(code: number, complaint: string[], named: (text: string) => string): CoracleBuildError {
  let message = complaint.join('\n').trim();
  try {
    message = (JSON.parse(complaint.at(-1) ?? '') as { error: { message: string } }).error.message;
  } catch {
    // What is wrong with flags is said before it is known that JSON is asked for.
    message = message.replace(/^error: /, '').replace(/\n\nFor more information[^]*$/, '');
  }
  // Messages end with the way out.
  const [, what, hint] = /^([^]*?)(?:; ([^;\n]+))?$/.exec(named(message)) ?? [];
  return new CoracleBuildError(code, what || 'the command failed', hint);
}
