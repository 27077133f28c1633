/** Images in Parquet files of the Hugging Face layout: a column of structs `{ bytes, path }`, or of plain bytes. */
import { type FileMetaData, parquetMetadata, parquetReadObjects, parquetSchema, type SchemaTree } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { EmberwingError } from "../errors.js";
import type { EncodedImage } from "./image-sources.js";

/**
 * The images of a Parquet file, row group by row group.
 *
 * @param column Their column; without it, the first that looks like one.
 */
export async function* parquetImages(path: string, content: Uint8Array, column?: string): AsyncGenerator<EncodedImage> {
  const buffer = toArrayBuffer(content);
  const metadata = readMetadata(path, buffer);
  const chosen = imageColumn(path, metadata, column);
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await readRows(path, { file: buffer, metadata, columns: [chosen], rowStart, rowEnd });
    for (const [index, row] of rows.entries()) yield imageOf(row[chosen], `${path} row ${rowStart + index}`);
    rowStart = rowEnd;
  }
}

function toArrayBuffer({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}

function readMetadata(path: string, buffer: ArrayBuffer): FileMetaData {
  try {
    return parquetMetadata(buffer);
  } catch (error) {
    throw invalidParquet(path, error);
  }
}

interface Rows {
  file: ArrayBuffer;
  metadata: FileMetaData;
  columns: string[];
  rowStart: number;
  rowEnd: number;
}

async function readRows(path: string, rows: Rows): Promise<Record<string, unknown>[]> {
  try {
    // `utf8: false`: image bytes in a column without annotation would otherwise be decoded as text.
    return await parquetReadObjects({ ...rows, compressors, utf8: false });
  } catch (error) {
    throw invalidParquet(path, error);
  }
}

function invalidParquet(path: string, error: unknown): EmberwingError {
  return new EmberwingError(
    "InvalidFile",
    `${path}: not a Parquet file that can be read (${(error as Error).message})`,
    {
      cause: error,
    },
  );
}

function imageColumn(path: string, metadata: FileMetaData, wanted: string | undefined): string {
  const columns = parquetSchema(metadata).children;
  const chosen =
    wanted === undefined ? columns.find(holdsImages) : columns.find(({ element }) => element.name === wanted);
  if (chosen) return chosen.element.name;
  const names = columns.map(({ element }) => element.name).join(", ");
  const expected = wanted === undefined ? "a column of images" : `a column \`${wanted}\``;
  throw new EmberwingError("InvalidFile", `${path}: expected ${expected}, found the columns ${names}`);
}

function holdsImages({ element, children }: SchemaTree): boolean {
  if (children.length > 0) return children.some((child) => child.element.name === "bytes");
  return element.type === "BYTE_ARRAY" && element.converted_type === undefined && element.logical_type === undefined;
}

function imageOf(value: unknown, name: string): EncodedImage {
  const { bytes, path } =
    value instanceof Uint8Array ? { bytes: value } : ((value ?? {}) as { bytes?: unknown; path?: unknown });
  // A row without bytes goes on as an empty file, to be skipped or refused like any that does not decode.
  return {
    name: typeof path === "string" ? `${name} (${path})` : name,
    bytes: bytes instanceof Uint8Array ? bytes : new Uint8Array(0),
  };
}
