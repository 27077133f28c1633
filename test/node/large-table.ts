/** A Parquet file with one row group of any size, of which the disk holds next to nothing: its images are followed by holes. */
import { type FileHandle, open } from "node:fs/promises";

/** A value of Thrift's compact protocol, in which Parquet writes everything but the data. */
type Thrift = number | string | Thrift[] | Struct;
/** Fields by their numbers, in ascending order; `i64` where the format says so. */
interface Struct {
  fields: readonly [id: number, value: Thrift, isLong?: "i64"][];
}

const struct = (...fields: Struct["fields"]): Struct => ({ fields });

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

const typeOf = (value: Thrift, isLong?: "i64"): number =>
  typeof value === "number" ? (isLong ? 6 : 5) : typeof value === "string" ? 8 : Array.isArray(value) ? 9 : 12;

function encode(value: Thrift): number[] {
  if (typeof value === "number") return varint(2 * value); // zigzag
  if (typeof value === "string") return [...varint(value.length), ...Buffer.from(value)];
  if (Array.isArray(value)) return [(value.length << 4) | typeOf(value[0] as Thrift), ...value.flatMap(encode)];
  let last = 0;
  const fields = value.fields.flatMap(([id, field, isLong]) => {
    const head = ((id - last) << 4) | typeOf(field, isLong);
    last = id;
    return [head, ...encode(field)];
  });
  return [...fields, 0];
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  await file.write(bytes, 0, bytes.length, position);
}

const BYTE_ARRAY = 6;

interface Shape {
  pages: number;
  rowsPerPage: number;
  bytesPerRow: number;
}

/** A required column `image` of plain, uncompressed bytes. */
export async function writeLargeTable(path: string, image: Uint8Array, shape: Shape): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.write("PAR1");
    let end = 4;
    for (let page = 0; page < shape.pages; page++) end = await writePage(file, end, image, shape);
    const footer = Buffer.from(encode(footerOf(end - 4, shape)));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    await writeAt(file, Buffer.concat([footer, length, Buffer.from("PAR1")]), end);
  } finally {
    await file.close();
  }
}

async function writePage(file: FileHandle, start: number, image: Uint8Array, shape: Shape): Promise<number> {
  const { rowsPerPage, bytesPerRow } = shape;
  const size = rowsPerPage * (4 + bytesPerRow);
  const data = struct([1, rowsPerPage], [2, 0], [3, 3], [4, 3]);
  const head = Buffer.from(encode(struct([1, 0], [2, size], [3, size], [5, data])));
  await writeAt(file, head, start);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytesPerRow);
  for (let row = 0; row < rowsPerPage; row++) {
    const at = start + head.length + row * (4 + bytesPerRow);
    await writeAt(file, Buffer.concat([length, image]), at);
  }
  return start + head.length + size;
}

function footerOf(bytes: number, { pages, rowsPerPage }: Shape): Struct {
  const rows = pages * rowsPerPage;
  const column = struct(
    ...(
      [
        [1, BYTE_ARRAY],
        [2, [0]],
        [3, ["image"]],
        [4, 0],
        [5, rows, "i64"],
      ] as const
    ).map((field) => [...field] as never),
    [6, bytes, "i64"],
    [7, bytes, "i64"],
    [9, 4, "i64"],
  );
  const schema = [struct([4, "schema"], [5, 1]), struct([1, BYTE_ARRAY], [3, 0], [4, "image"])];
  const group = struct([1, [struct([2, 4, "i64"], [3, column])]], [2, bytes, "i64"], [3, rows, "i64"]);
  return struct([1, 1], [2, schema], [3, rows, "i64"], [4, [group]]);
}
