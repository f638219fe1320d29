// Runs a WASI program in the browser, its files in memory. chromium.mjs serves this and all it imports.
import { ConsoleStdout, File, OpenFile, PreopenDirectory, WASI } from '/shim/index.js';

const bytes = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.arrayBuffer();
};

const folder = async ([guest, names]) => {
  const files = await Promise.all(names.map(async (name) => [name, new File(await bytes(`${guest}/${name}`))]));
  return new PreopenDirectory(guest, new Map(files));
};

async function start({ args, folders }) {
  const print = (stream) => ConsoleStdout.lineBuffered((line) => postMessage({ stream, line }));
  const opened = await Promise.all(Object.entries(folders).map(folder));
  const wasi = new WASI(['coracle-race', ...args], [], [new OpenFile(new File([])), print('out'), print('err'), ...opened]);
  const imports = { wasi_snapshot_preview1: wasi.wasiImport };
  const { instance } = await WebAssembly.instantiateStreaming(fetch('/program.wasm'), imports);
  return wasi.start(instance);
}

onmessage = async ({ data }) => {
  try {
    postMessage({ code: await start(data) });
  } catch (error) {
    postMessage({ error: error.stack ?? String(error) });
  }
};
