/** The command of this machine: where its package put it, or where `CORACLE_BINARY` says. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Exit code of shells for a command that is not there. */
export const NOT_FOUND = 127;

/** What the platform packages are called, by `process.platform`. */
const systems: Record<string, string> = { linux: 'linux', darwin: 'darwin', win32: 'windows' };

/** Name of this platform's package, whether or not there is one. */
export function platformPackage(platform: string = process.platform, arch: string = process.arch): string {
  return `@coracle-search/${systems[platform] ?? platform}-${arch}`;
}

/** Why there is no command to run; the message says what to do. */
export class NoBinary extends Error {
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(`${message}; ${hint}`, options);
    this.name = 'NoBinary';
    this.hint = hint;
  }
}

/** Path of the command. */
export function findBinary(env: NodeJS.ProcessEnv = process.env): string {
  const own = env['CORACLE_BINARY'];
  if (own) {
    if (existsSync(own)) return own;
    throw new NoBinary(`CORACLE_BINARY names ${own}, which does not exist`, 'correct it, or leave it empty');
  }
  const name = platformPackage();
  const file = join('bin', process.platform === 'win32' ? 'coracle.exe' : 'coracle');
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
  } catch (cause) {
    throw new NoBinary(
      `there is no coracle command for ${process.platform}-${process.arch} here: the package ${name} is not installed`,
      'install it (package managers leave it out with --no-optional or --omit=optional), or set CORACLE_BINARY to a command that you compiled',
      { cause },
    );
  }
}

/** What to say where a command that is there cannot be started. */
export function notStarted(binary: string, cause: Error): NoBinary {
  const { code } = cause as NodeJS.ErrnoException;
  // The file is there, so what is missing is its loader: a system with another C library.
  const why = code === 'ENOENT' && existsSync(binary) ? 'it was compiled for another system, or for glibc on one with musl' : cause.message;
  return new NoBinary(`${binary} cannot be started: ${why}`, 'compile the command on this machine and set CORACLE_BINARY to it', { cause });
}
