/**
 * Zip files that anyone may have made. The list of files at the end says how large each is: what it says is checked
 * before anything is inflated, so that a small file cannot ask for much memory, and again afterwards.
 *
 * APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
 */
import { inflateSync, strFromU8 } from "fflate";
import { EmberwingError } from "../errors.js";

const END = 0x06054b50;
const END_BYTES = 22;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
const IS_ENCRYPTED = 1;
const IS_UTF8 = 1 << 11;
/** In place of a number that has 64 bits and stands elsewhere. */
const ELSEWHERE = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

/** What a file may hold unpacked: weights shrink by a tenth, a few small files by more. */
const MOST_TIMES = 10;
const ALWAYS_BYTES = 2 ** 26;

interface Entry {
  path: string;
  method: number;
  crc32: number;
  packed: number;
  unpacked: number;
  /** Of the file's own head. */
  offset: number;
}

/** The files of a zip file by their paths; a folder that holds all of them is left away. */
export async function unzip(name: string, archive: Blob): Promise<ReadonlyMap<string, Uint8Array>> {
  const bytes = new Uint8Array(await archive.arrayBuffer());
  try {
    const files = readEntries(bytes).filter(({ path }) => !path.endsWith("/"));
    checkSizes(files, bytes.length);
    const [top] = /^[^/]*\//.exec(files[0]?.path ?? "") ?? [""];
    const prefix = files.every(({ path }) => path.startsWith(top)) ? top.length : 0;
    return new Map(files.map((entry) => [entry.path.slice(prefix), contentOf(bytes, entry)]));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new EmberwingError("InvalidFile", `${name}: expected a zip file of a saved folder (${problem})`, {
      cause: error,
    });
  }
}

function readEntries(bytes: Uint8Array): Entry[] {
  const view = viewOf(bytes);
  const { count, start } = readEnd(view);
  if (count * ENTRY_BYTES > bytes.length)
    throw new Error(`it says that it has ${count} files, and has no room for them`);
  const entries: Entry[] = [];
  for (let at = start; entries.length < count; ) {
    const { entry, length } = readEntry(view, at);
    entries.push(entry);
    at += length;
  }
  return entries;
}

/** How many files there are, and where their list begins. */
function readEnd(view: DataView): { count: number; start: number } {
  let at = view.byteLength - END_BYTES;
  const first = Math.max(0, at - LONGEST_COMMENT);
  while (at >= first && view.getUint32(at, true) !== END) at--;
  if (at < first) throw new Error("its list of files is missing");
  const hasLocator = at >= 20 && view.getUint32(at - 20, true) === END64_LOCATOR;
  const end64 = hasLocator ? readNumber64(view, at - 12) : undefined;
  if (end64 !== undefined && view.getUint32(end64, true) === END64) {
    return { count: readNumber64(view, end64 + 32), start: readNumber64(view, end64 + 48) };
  }
  return { count: view.getUint16(at + 10, true), start: view.getUint32(at + 16, true) };
}

function readEntry(view: DataView, at: number): { entry: Entry; length: number } {
  if (view.getUint32(at, true) !== ENTRY) throw new Error("its list of files is damaged");
  const flags = view.getUint16(at + 8, true);
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [
    number,
    number,
    number,
  ];
  const nameStart = at + ENTRY_BYTES;
  const path = strFromU8(bytesAt(view, nameStart, nameBytes), (flags & IS_UTF8) === 0);
  if (flags & IS_ENCRYPTED) throw new Error(`${path} has a password`);
  const sizes = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
  const [unpacked, packed, offset] = withLongNumbers(view, nameStart + nameBytes, extraBytes, sizes) as [
    number,
    number,
    number,
  ];
  const [method, crc32] = [view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
  return {
    entry: { path, method, crc32, packed, unpacked, offset },
    length: ENTRY_BYTES + nameBytes + extraBytes + commentBytes,
  };
}

/** Numbers of 64 bits stand in a field of their own, in the order of those that they replace. */
function withLongNumbers(view: DataView, start: number, length: number, numbers: readonly number[]): number[] {
  for (let at = start; at + 4 <= start + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let next = at + 4;
    return numbers.map((number) => {
      if (number !== ELSEWHERE) return number;
      next += 8;
      return readNumber64(view, next - 8);
    });
  }
  return [...numbers];
}

function readNumber64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function checkSizes(files: readonly Entry[], archiveBytes: number): void {
  const unpacked = files.reduce((sum, file) => sum + file.unpacked, 0);
  const most = Math.max(ALWAYS_BYTES, MOST_TIMES * archiveBytes);
  if (unpacked <= most) return;
  throw new Error(
    `its ${archiveBytes} bytes say that they unpack to ${unpacked}, more than ${most}: unpack it, and load the folder`,
  );
}

function contentOf(bytes: Uint8Array, { path, method, crc32, packed, unpacked, offset }: Entry): Uint8Array {
  const view = viewOf(bytes);
  if (view.getUint32(offset, true) !== LOCAL) throw new Error(`${path} is not where the list says`);
  const start = offset + LOCAL_BYTES + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const content = unpack(path, method, bytesAt(view, start, packed), unpacked);
  if (content.length !== unpacked || crc32Of(content) !== crc32) throw new Error(`${path} is damaged`);
  return content;
}

function unpack(path: string, method: number, packed: Uint8Array, unpacked: number): Uint8Array {
  if (method === STORED) return packed;
  if (method !== DEFLATED) throw new Error(`${path} is packed in a way (${method}) that is not read`);
  // What does not fit is left away, and shows in the checksum.
  return inflateSync(packed, { out: new Uint8Array(unpacked) });
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

function bytesAt(view: DataView, start: number, length: number): Uint8Array {
  if (start + length > view.byteLength) throw new Error("it is cut off");
  return new Uint8Array(view.buffer, view.byteOffset + start, length);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32Of(bytes: Uint8Array): number {
  let crc = -1;
  for (let index = 0; index < bytes.length; index++) {
    crc = (CRC_TABLE[(crc ^ (bytes[index] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
