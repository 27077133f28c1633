/** Images in Parquet files of the Hugging Face layout: a column of structs `{ bytes, path }`, or of plain bytes. */
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { describe, EmberwingError } from "../errors.js";
import type { ClassLabel } from "./class-labels.js";
import type { EncodedImage } from "./image-sources.js";

/** Columns by name; without one for the images, the first that looks like one. */
export interface ParquetColumns {
  imageColumn: string | undefined;
  /** Classes, where they are wanted. */
  labelColumn: string | undefined;
}

export interface ParquetTable {
  /** Row group by row group. */
  images(): AsyncGenerator<EncodedImage>;
  /** What the numbers of the label column mean, where Hugging Face's metadata say so. */
  readonly classNames: readonly string[] | undefined;
}

/** Memory holds one row group at a time, of the columns that are wanted. */
export async function openParquet(
  path: string,
  file: AsyncBuffer,
  { imageColumn, labelColumn }: ParquetColumns,
): Promise<ParquetTable> {
  const metadata = await readMetadata(path, file);
  const image = findColumn(path, metadata, imageColumn, "a column of images", holdsImages);
  if (labelColumn === undefined)
    return { images: () => readImages(path, { file, metadata, image }), classNames: undefined };
  const label = findColumn(path, metadata, labelColumn, "a column of classes", () => false);
  return { images: () => readImages(path, { file, metadata, image, label }), classNames: classNames(metadata, label) };
}

interface Table {
  file: AsyncBuffer;
  metadata: FileMetaData;
  image: string;
  label?: string;
}

async function* readImages(path: string, { file, metadata, image, label }: Table): AsyncGenerator<EncodedImage> {
  const columns = label === undefined ? [image] : [image, label];
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await readRows(path, { file, metadata, columns, rowStart, rowEnd });
    for (const [index, row] of rows.entries()) {
      const name = `${path} row ${rowStart + index}`;
      const encoded = imageOf(row[image], name);
      yield label === undefined ? encoded : { ...encoded, label: labelOf(row[label], name, label) };
    }
    rowStart = rowEnd;
  }
}

/** A name or a number; text columns without an annotation come as bytes. */
function labelOf(value: unknown, name: string, column: string): ClassLabel {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string" || typeof value === "number") return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  throw new EmberwingError(
    "InvalidFile",
    `${name}: expected a name or a number in the column \`${column}\`, found ${describe(value)}`,
  );
}

/** The `ClassLabel` feature of a column in the metadata that Hugging Face's `datasets` writes; other metadata have none. */
function classNames(metadata: FileMetaData, column: string): readonly string[] | undefined {
  const text = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value ?? "{}";
  try {
    const names: unknown = JSON.parse(text).info?.features?.[column]?.names;
    return Array.isArray(names) ? names : undefined;
  } catch {
    return undefined;
  }
}

async function readMetadata(path: string, file: AsyncBuffer): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(file);
  } catch (error) {
    throw invalidParquet(path, error);
  }
}

interface Rows {
  file: AsyncBuffer;
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

/** The column of a name; without one, the first that `fits`. */
function findColumn(
  path: string,
  metadata: FileMetaData,
  wanted: string | undefined,
  expected: string,
  fits: (column: SchemaTree) => boolean,
): string {
  const columns = parquetSchema(metadata).children;
  const chosen = wanted === undefined ? columns.find(fits) : columns.find(({ element }) => element.name === wanted);
  if (chosen) return chosen.element.name;
  const names = columns.map(({ element }) => element.name).join(", ");
  const what = wanted === undefined ? expected : `a column \`${wanted}\``;
  throw new EmberwingError("InvalidFile", `${path}: expected ${what}, found the columns ${names}`);
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
