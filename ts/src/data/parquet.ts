/** Images in Parquet files, of the Hugging Face layout and of others. */
import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { describe, EmberwingError } from "../errors.js";
import type { ClassLabel } from "./class-labels.js";
import type { EncodedImage } from "./image-sources.js";
import { classNamesOf, findImageColumn, namedColumn } from "./parquet-columns.js";
import { readFooter } from "./parquet-footer.js";
import { type ImageValue, imagesIn } from "./parquet-images.js";
import { type Row, readRows } from "./parquet-rows.js";

/** Columns by name. */
export interface ParquetColumns {
  /** Without one, it is looked for. */
  imageColumn: string | undefined;
  /** Classes, where they are wanted. */
  labelColumn: string | undefined;
}

/** A file of a table, wherever it is. */
export interface ParquetFile extends AsyncBuffer {
  /** How messages call it. */
  name: string;
  /** Reads the file of an image that the table has only the path of. */
  readBeside(path: string): Promise<Uint8Array>;
}

export interface ParquetTable {
  /** Page by page. */
  images(): AsyncGenerator<EncodedImage>;
  readonly imageColumn: string;
  /** Columns with images that were not chosen. */
  readonly others: readonly string[];
  /** What the numbers of the label column mean, where Hugging Face's metadata say so. */
  readonly classNames: readonly string[] | undefined;
}

/** Memory holds one page at a time, of the columns that are wanted. */
export async function openParquet(file: ParquetFile, columns: ParquetColumns): Promise<ParquetTable> {
  const { name: path } = file;
  const metadata = await orInvalid(path, () => readFooter(file));
  const { imageColumn: wanted, labelColumn } = columns;
  const { name: image, others } =
    wanted === undefined
      ? await findImageColumn(path, metadata, (column) => orInvalid(path, () => firstValue(file, metadata, column)))
      : { name: namedColumn(path, metadata, wanted, "`imageColumn`, --image-column"), others: [] };
  const label =
    labelColumn === undefined ? undefined : namedColumn(path, metadata, labelColumn, "`classLabels`, --class-labels");
  return {
    images: () => readImages(file, metadata, image, label),
    ...{ imageColumn: image, others },
    classNames: label === undefined ? undefined : classNamesOf(metadata, label),
  };
}

/** The first value that is not null, nor an empty list, nor a struct without anything. */
async function firstValue(file: AsyncBuffer, metadata: FileMetaData, column: string): Promise<unknown> {
  for await (const rows of readRows(file, metadata, [column])) {
    const found = rows.find((row) => imagesIn(row[column]).some(({ bytes, path }) => bytes ?? path));
    if (found) return found[column];
  }
  return undefined;
}

async function* readImages(
  file: ParquetFile,
  metadata: FileMetaData,
  image: string,
  label: string | undefined,
): AsyncGenerator<EncodedImage> {
  const columns = label === undefined ? [image] : [...new Set([image, label])];
  let number = 0;
  for await (const row of rowsOf(file, metadata, columns)) {
    const name = `${file.name} row ${number++}`;
    const values = imagesIn(row[image]);
    for (const [index, value] of values.entries()) {
      const encoded = imageOf(file, values.length === 1 ? name : `${name} image ${index}`, value);
      yield label === undefined ? encoded : withLabel(encoded, row[label], label);
    }
  }
}

async function* rowsOf(file: ParquetFile, metadata: FileMetaData, columns: string[]): AsyncGenerator<Row> {
  const parts = readRows(file, metadata, columns);
  for (;;) {
    const { value: rows, done } = await orInvalid(file.name, () => parts.next());
    if (done) return;
    yield* rows;
  }
}

function imageOf(file: ParquetFile, row: string, { bytes, path }: ImageValue): EncodedImage {
  const name = path === undefined ? row : `${row} (${path})`;
  if (bytes && bytes.length > 0) return { name, read: async () => bytes };
  // A row without anything goes on as an empty file, to be skipped or refused like any that does not decode.
  return { name, read: path === undefined ? async () => new Uint8Array(0) : () => file.readBeside(path) };
}

/** An image without a class is named like one that cannot be read. */
function withLabel(image: EncodedImage, value: unknown, column: string): EncodedImage {
  if (value !== null && value !== undefined) return { ...image, label: labelOf(value, image.name, column) };
  const problem = `${image.name}: has no class in the column \`${column}\``;
  return { ...image, read: () => Promise.reject(new EmberwingError("InvalidFile", problem)) };
}

/** A name or a number; text columns without an annotation come as bytes. */
function labelOf(value: unknown, name: string, column: string): ClassLabel {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  throw new EmberwingError(
    "InvalidFile",
    `${name}: expected a name or a number in the column \`${column}\`, found ${describe(value)}`,
  );
}

async function orInvalid<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new EmberwingError(
      "InvalidFile",
      `${path}: not a Parquet file that can be read (${(error as Error).message})`,
      { cause: error },
    );
  }
}
