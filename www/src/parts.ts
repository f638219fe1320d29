/** Places in the module's file: what it begins with is followed by a section that says where the parts lie. */
const PLACES = 16;
const HEAD = 24;

/** The module's parts that come in one file. */
export interface Parts {
  /** What leads to the first reads of a search. */
  first: WebAssembly.Module;
  /** What goes on with them. It comes while they are under way. */
  next: Promise<WebAssembly.Module>;
}

/**
 * Compiles the parts of the module as they arrive.
 *
 * @throws what `failed` makes of a download that failed or is no such file
 */
export async function compile(body: ReadableStream<Uint8Array>, failed: (cause?: unknown) => Error): Promise<Parts> {
  const reader = body.getReader();
  let bytes = new Uint8Array();
  /** The bytes before `end`, once they are there, or all. */
  async function before(end = Infinity): Promise<Uint8Array<ArrayBuffer>> {
    while (bytes.length < end) {
      const { value } = await reader.read().catch((cause) => Promise.reject(failed(cause)));
      if (!value) {
        if (end < Infinity) throw failed();
        break;
      }
      const more = new Uint8Array(bytes.length + value.length);
      more.set(bytes);
      more.set(value, bytes.length);
      bytes = more;
    }
    return bytes.slice(0, end);
  }
  const [end, start] = new Uint32Array((await before(HEAD)).slice(PLACES).buffer) as unknown as [number, number];
  const first = await WebAssembly.compile(await before(end));
  const next = before().then((file) => WebAssembly.compile(file.subarray(start)));
  return { first, next };
}
