/**
 * Checks what is read of an index against the signatures that its build made. Loaded only where a
 * public key is given. The format is in src/index/SPEC.md, section 3.4.
 *
 * Reads are widened to whole leaves; the pages with their hashes come in the same wave.
 */
import { codeOf, CoracleError } from './error.js';
import { ROOT, type Reads } from './source.js';

const HASH_BYTES = 16;
const SIGNATURE_BYTES = 64;
const SEAL_BYTES = 92;

/** Pages closer than this are read together, as blocks are. */
const GAP_BYTES = 512;

/** A root that was signed, and what follows from it. */
interface Signed {
  key: CryptoKey;
  digest: Uint8Array<ArrayBuffer>;
  /** Files of the body and their places in it. */
  parts: Map<string, number>;
  partBytes: number;
  bodyBytes: number;
  /** Bytes of a leaf, leaves of a page, of a part, of the body. */
  leafBytes: number;
  pageLeaves: number;
  partLeaves: number;
  leaves: number;
  /** Whether files are read by range. */
  ranged: boolean;
  /** Where the pages are. */
  pageFile: string;
  pageStart: number;
  /** Hashes of the pages that were read and checked. */
  pages: Map<number, Uint8Array>;
}

/**
 * What lets nothing pass but what the owner of one of the keys signed.
 *
 * @param keys public keys in base64, with spaces or commas between them
 * @param isBundle whether the index is one file, with its pages behind the body
 */
export async function checker(keys: string, isBundle: boolean): Promise<(reads: Reads) => Reads> {
  const { subtle } = (globalThis as { crypto?: { subtle?: SubtleCrypto } }).crypto ?? {};
  if (!subtle) throw refusal('signatures can be checked on pages served by https only');
  const imported = await Promise.all(keys.split(/[\s,]+/).filter(Boolean).map(importKey));
  if (imported.length === 0) throw new CoracleError('public-key', 'the public key is empty');
  let signed: Signed | undefined;
  return (reads) => checked(reads);

  function checked(reads: Reads): Reads {
    /**
     * Pages that the reads of one wave want; they begin in one go. The signal tells waves apart: on
     * workers nobody may wait for what another request reads.
     */
    let batch: { stop: AbortSignal; pages: Set<number>; done: Promise<void> } | undefined;

    async function root(stop: AbortSignal): Promise<Uint8Array> {
      const file = await reads.read(ROOT, undefined, undefined, stop);
      signed = await opened(file);
      return file;
    }

    function load(of: Signed, first: number, last: number, stop: AbortSignal): Promise<void> | undefined {
      let wanted: Promise<void> | undefined;
      for (let page = first; page <= last; page++) {
        if (of.pages.has(page)) continue;
        if (batch?.stop !== stop) {
          const pages = new Set<number>();
          // After all reads of the wave have said what they want.
          const done = Promise.resolve().then(() => {
            if (batch?.pages === pages) batch = undefined;
            return fetchPages(reads, of, [...pages], stop);
          });
          batch = { stop, pages, done };
        }
        batch.pages.add(page);
        wanted = batch.done;
      }
      return wanted;
    }

    async function part(file: string, start: number | undefined, end: number | undefined, stop: AbortSignal) {
      const of = signed;
      const at = of?.parts.get(file);
      if (!of || at === undefined) throw refusal('no signed root names this file');
      const length = Math.min(of.partBytes, of.bodyBytes - at * of.partBytes);
      const from = start ?? 0;
      const to = end ?? length;
      if (to > length) throw refusal('the file that was signed ends before');
      const first = Math.floor(from / of.leafBytes);
      const last = Math.ceil(to / of.leafBytes);
      const wide = [first * of.leafBytes, Math.min(last * of.leafBytes, length)] as const;
      const leaf = at * of.partLeaves + first;
      const isWhole = start === undefined || end === undefined;
      const [bytes] = await Promise.all([
        reads.read(file, isWhole ? undefined : wide[0], isWhole ? undefined : wide[1], stop),
        load(of, Math.floor(leaf / of.pageLeaves), Math.floor((leaf + last - first - 1) / of.pageLeaves), stop),
      ]);
      if (bytes.length !== wide[1] - wide[0]) throw refusal(`${bytes.length} bytes came instead of ${wide[1] - wide[0]}; publish the index again`);
      const hashes: Promise<void>[] = [];
      for (let i = 0; i < last - first; i++) {
        const content = bytes.subarray(i * of.leafBytes, (i + 1) * of.leafBytes);
        hashes.push(checkLeaf(of, leaf + i, content));
      }
      await Promise.all(hashes);
      return bytes.subarray(from - wide[0], to - wide[0]);
    }

    return {
      async read(file, start, end, stop) {
        if (file === ROOT) return root(stop);
        try {
          return await part(file, start, end, stop);
        } catch (thrown) {
          // Bytes that went wrong on their way, today or when they were kept, come right the second time.
          if (codeOf(thrown) !== 'signature') throw thrown;
          await reads.forget?.();
          return part(file, start, end, stop);
        }
      },
      forget: async () => reads.forget?.(),
    };
  }

  async function opened(file: Uint8Array): Promise<Signed | undefined> {
    const end = file.length - SEAL_BYTES;
    if (end < 0 || new TextDecoder().decode(file.subarray(-8)) !== 'CORASIGN') {
      throw refusal('the index is not signed; build it with --sign, or open it without a public key');
    }
    const seal = new DataView(file.buffer, file.byteOffset + end, SEAL_BYTES);
    const digest = await sha256(file.subarray(0, end + 12));
    const signature = file.slice(end + 20, end + 84);
    const by = await Promise.all(imported.map((key) => verifies(key, signature, message('coracle index 1 root', digest))));
    const key = imported[by.indexOf(true)];
    if (!key) throw refusal('the root is not signed by the owner of the public key');
    const front = frontOf(file.subarray(0, end));
    // What was signed and still is no root, the engine refuses for its own reason.
    if (!front) return undefined;
    const { parts, partBytes, bodyBytes, ranged } = front;
    const leafBytes = Number(seal.getBigUint64(0, true));
    const pageLeaves = seal.getUint32(8, true);
    const partLeaves = Math.ceil(partBytes / leafBytes);
    const whole = Math.max(parts.size - 1, 0);
    const leaves = whole * partLeaves + Math.ceil((bodyBytes - whole * partBytes) / leafBytes);
    if (!(leafBytes > 0 && pageLeaves > 0 && Number.isSafeInteger(leaves))) throw refusal('the numbers of the signature make no sense');
    const pageFile = isBundle ? [...parts.keys()][0]! : fileName(seal, 12);
    const pageStart = isBundle ? bodyBytes : 0;
    return { key, digest, parts, partBytes, bodyBytes, ranged, leafBytes, pageLeaves, partLeaves, leaves, pageFile, pageStart, pages: new Map() };
  }
}

/** The start and the end of a page in the page file. */
function placeOf({ pageLeaves, leaves, pageStart }: Signed, page: number): [number, number] {
  const edge = (page: number) => pageStart + Math.min(page * pageLeaves, leaves) * HASH_BYTES + page * SIGNATURE_BYTES;
  return [edge(page), edge(page + 1)];
}

async function readPages(reads: Reads, { pageFile }: Signed, start: number | undefined, end: number | undefined, stop: AbortSignal) {
  try {
    return await reads.read(pageFile, start, end, stop);
  } catch (thrown) {
    const { status } = Object(thrown) as { status?: number };
    if (status === 404 || status === 410) throw refusal(`${pageFile}, which holds the signatures, is not there; publish the index again`);
    throw thrown;
  }
}

/** Reads pages, those next to one another together, and checks them. */
async function fetchPages(reads: Reads, of: Signed, pages: number[], stop: AbortSignal): Promise<void> {
  if (!of.ranged) {
    // The file is small and read whole: all of its pages are at hand.
    const file = await readPages(reads, of, undefined, undefined, stop);
    const count = Math.ceil(of.leaves / of.pageLeaves);
    await Promise.all(Array.from({ length: count }, (_, page) => checkPage(of, page, file.subarray(...placeOf(of, page)))));
    return;
  }
  const groups: number[][] = [];
  for (const page of pages.sort((a, b) => a - b)) {
    const group = groups.at(-1);
    const near = group && placeOf(of, page)[0] - placeOf(of, group.at(-1)!)[1] <= GAP_BYTES;
    if (near) group.push(page);
    else groups.push([page]);
  }
  await Promise.all(
    groups.map(async (group) => {
      const [start] = placeOf(of, group[0]!);
      const [, end] = placeOf(of, group.at(-1)!);
      const bytes = await readPages(reads, of, start, end, stop);
      const content = (page: number) => {
        const [from, to] = placeOf(of, page);
        return bytes.subarray(from - start, to - start);
      };
      await Promise.all(group.map((page) => checkPage(of, page, content(page))));
    }),
  );
}

/** Keeps the hashes of a page if they are signed. */
async function checkPage(of: Signed, page: number, bytes: Uint8Array): Promise<void> {
  const place = new Uint8Array(8);
  new DataView(place.buffer).setBigUint64(0, BigInt(page), true);
  const hashes = bytes.slice(0, -SIGNATURE_BYTES);
  const [start, end] = placeOf(of, page);
  const isSigned =
    bytes.length === end - start &&
    (await verifies(of.key, bytes.slice(-SIGNATURE_BYTES), message('coracle index 1 page', of.digest, place, hashes)));
  if (!isSigned) throw refusal(`the signatures in ${of.pageFile} are not what was signed; publish the index again`);
  of.pages.set(page, hashes);
}

async function checkLeaf(of: Signed, leaf: number, content: Uint8Array): Promise<void> {
  const signed = of.pages.get(Math.floor(leaf / of.pageLeaves))!;
  const at = (leaf % of.pageLeaves) * HASH_BYTES;
  const hash = await sha256(joined(of.digest, content));
  for (let i = 0; i < HASH_BYTES; i++) {
    if (hash[i] !== signed[at + i]) throw refusal('the bytes are not what was signed; publish the index again');
  }
}

/** What a root says of its files; nothing of one of another version. */
function frontOf(root: Uint8Array) {
  const view = new DataView(root.buffer, root.byteOffset, root.length);
  let at = 16;
  const varint = () => {
    for (let number = 0, unit = 1; ; unit *= 128) {
      const byte = view.getUint8(at++);
      number += (byte & 127) * unit;
      if (byte < 128) return number;
    }
  };
  try {
    if (view.getUint16(6, true) !== 1) return undefined;
    const bodyBytes = varint();
    const ranged = view.getUint8(at++) === 1;
    const partBytes = varint();
    const parts = new Map<string, number>();
    for (let left = varint(); left > 0; left--, at += 8) parts.set(fileName(view, at), parts.size);
    return { bodyBytes, ranged, partBytes, parts };
  } catch {
    return undefined;
  }
}

/** A file's name, which is the hash of its content. */
function fileName(view: DataView, at: number): string {
  return `${view.getBigUint64(at, true).toString(16).padStart(16, '0')}.cora`;
}

async function importKey(text: string): Promise<CryptoKey> {
  let der: Uint8Array<ArrayBuffer>;
  try {
    der = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new CoracleError('public-key', 'the public key is not base64', { cause });
  }
  try {
    return await crypto.subtle.importKey('spki', der, 'Ed25519', false, ['verify']);
  } catch (cause) {
    if ((cause as Error).name === 'NotSupportedError') throw refusal('Ed25519 signatures cannot be checked here; update this browser');
    throw new CoracleError('public-key', 'the public key is not of Ed25519; take the one that `coracle build --sign` prints', { cause });
  }
}

function verifies(key: CryptoKey, signature: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>): Promise<boolean> {
  return crypto.subtle.verify('Ed25519', key, signature, message);
}

function message(kind: string, ...fields: Uint8Array[]) {
  return joined(new TextEncoder().encode(kind), ...fields);
}

function joined(...fields: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const field of fields) {
    out.set(field, at);
    at += field.length;
  }
  return out;
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

function refusal(message: string): CoracleError {
  return new CoracleError('signature', message);
}
