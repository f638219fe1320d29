// Runs a WASI program: node wasi.mjs MODULE GUEST=HOST... -- ARGUMENTS
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { WASI } from 'node:wasi';

const [file, ...rest] = process.argv.slice(2);
const split = rest.indexOf('--');
const preopens = Object.fromEntries(rest.slice(0, split).map((folder) => folder.split('=', 2)));
const wasi = new WASI({ version: 'preview1', args: [basename(file), ...rest.slice(split + 1)], preopens });
const module = await WebAssembly.compile(readFileSync(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
