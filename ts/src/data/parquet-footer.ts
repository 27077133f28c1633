/** The footer of a Parquet file: what it holds and where, checked against what the file is. */
import { type AsyncBuffer, type ColumnChunk, type FileMetaData, parquetMetadata, type SchemaElement } from "hyparquet";
import { checkCompact } from "./parquet-compact.js";

/** The length of the footer, and "PAR1". */
const TAIL_BYTES = 8;
/** hyparquet keeps the whole path of every column. */
const MOST_LEVELS = 32;

export async function readFooter(file: AsyncBuffer): Promise<FileMetaData> {
  const { byteLength } = file;
  if (byteLength < TAIL_BYTES) throw new Error(`${byteLength} bytes`);
  const length = new DataView(await file.slice(byteLength - TAIL_BYTES, byteLength)).getUint32(0, true);
  const start = byteLength - TAIL_BYTES - length;
  // Where it cannot be as long as it says, hyparquet says what is wrong with the end of the file.
  const footer = await file.slice(start >= 0 ? start : byteLength - TAIL_BYTES, byteLength);
  if (start >= 0) checkCompact(new DataView(footer, 0, length));
  const metadata = parquetMetadata(footer);
  checkLevels(metadata.schema);
  checkExtent(metadata, byteLength);
  return metadata;
}

/** Elements stand one after the other, each with the number of its children, which follow it. */
function checkLevels(schema: readonly SchemaElement[]): void {
  const open: number[] = [];
  for (const { num_children: children = 0 } of schema) {
    while (open.at(-1) === 0) open.pop();
    if (open.length > 0) open.push((open.pop() as number) - 1);
    if (!(children >= 0 && children < schema.length)) throw new Error(`a column of ${children} columns`);
    if (children > 0) open.push(children);
    if (open.length > MOST_LEVELS) throw new Error("columns lie in one another without end");
  }
}

/** A small file must not hold more rows than it has bytes, nor the same bytes again and again. */
function checkExtent({ row_groups: groups }: FileMetaData, byteLength: number): void {
  let rows = 0;
  let bytes = 0;
  for (const { num_rows, columns } of groups) {
    rows += atLeast0("rows", num_rows);
    for (const column of columns) bytes += checkChunk(column, byteLength);
  }
  if (rows > byteLength) throw new Error(`it says that it has ${rows} rows, in ${byteLength} bytes`);
  if (bytes > byteLength) throw new Error(`it says that its columns have ${bytes} bytes, of ${byteLength}`);
}

/** How many bytes of the file it takes; none where it lies in another. */
function checkChunk({ meta_data: meta, file_path }: ColumnChunk, byteLength: number): number {
  if (!meta || file_path !== undefined) return 0;
  const size = atLeast0("bytes of a column", meta.total_compressed_size);
  const start = atLeast0("place of a column", meta.dictionary_page_offset || meta.data_page_offset);
  if (start + size > byteLength) throw new Error(`a column ends at byte ${start + size} of ${byteLength}`);
  return size;
}

function atLeast0(what: string, value: bigint | number): number {
  if (Number(value) >= 0) return Number(value);
  throw new Error(`${what}: ${value}`);
}
