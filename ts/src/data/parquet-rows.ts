/**
 * Rows of a Parquet file, page by page: a row group can be as large as the whole set (pyarrow writes one for up to 1,048,576
 * rows), and memory is to hold a page of it. hyparquet reads whole row groups; its parts that decode a page and put
 * columns together are used as they are.
 */
import type { AsyncBuffer, ColumnChunk, FileMetaData, RowGroup, SchemaTree } from "hyparquet";
import { parquetSchema } from "hyparquet";
import { assembleNested } from "hyparquet/src/assemble.js";
import { readPage } from "hyparquet/src/column.js";
import { convert, DEFAULT_PARSERS } from "hyparquet/src/convert.js";
import { getTreePath } from "hyparquet/src/schema.js";
import { openPage } from "./parquet-page-checks.js";
import { PageReader } from "./parquet-pages.js";

export type Row = Record<string, unknown>;

/** The rows of all row groups, some at a time, with the columns of these names. */
export async function* readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  columns: readonly string[],
): AsyncGenerator<Row[]> {
  const schema = parquetSchema(metadata);
  for (const group of metadata.row_groups) yield* groupRows(file, schema, group, columns);
}

async function* groupRows(
  file: AsyncBuffer,
  schema: SchemaTree,
  group: RowGroup,
  columns: readonly string[],
): AsyncGenerator<Row[]> {
  const leaves = group.columns
    .filter(({ meta_data }) => columns.includes(meta_data?.path_in_schema[0] ?? ""))
    .map((chunk) => new Leaf(file, schema, chunk));
  const expected = Number(group.num_rows);
  for (let done = 0; done < expected; ) {
    for (const leaf of leaves) await leaf.fill();
    const count = Math.min(expected - done, ...leaves.map(({ waiting }) => waiting));
    if (count === 0) throw new Error(`a row group of ${expected} rows ends after ${done}`);
    yield assemble(schema, columns, leaves, count);
    done += count;
  }
}

/** The next rows, of which every leaf has `count`. */
function assemble(schema: SchemaTree, columns: readonly string[], leaves: readonly Leaf[], count: number): Row[] {
  const values = new Map(leaves.map((leaf) => [leaf.path.join("."), leaf.take(count)]));
  const assembled = columns.map((name) => {
    const column = schema.children.find(({ element }) => element.name === name);
    if (column && column.children.length > 0) assembleNested(values, column, DEFAULT_PARSERS);
    return [name, values.get(name) ?? []] as const;
  });
  return Array.from({ length: count }, (_, index) =>
    Object.fromEntries(assembled.map(([name, rows]) => [name, rows[index]])),
  );
}

/** One physical column of a row group: a column, or one part of a column of structs. */
class Leaf {
  readonly path: readonly string[];
  readonly #pages: AsyncGenerator<unknown[]>;
  #rows: unknown[] = [];
  #taken = 0;

  constructor(file: AsyncBuffer, schema: SchemaTree, chunk: ColumnChunk) {
    this.path = chunk.meta_data?.path_in_schema ?? [];
    this.#pages = pagesOf(file, schema, chunk);
  }

  /** How many rows are decoded and not yet taken. */
  get waiting(): number {
    return this.#rows.length - this.#taken;
  }

  /** Decodes the next page where no row is waiting; what came before is let go first. */
  async fill(): Promise<void> {
    while (this.waiting === 0) {
      [this.#rows, this.#taken] = [[], 0];
      const { value, done } = await this.#pages.next();
      if (done) return;
      this.#rows = value;
    }
  }

  take(count: number): unknown[] {
    this.#taken += count;
    return this.#rows.slice(this.#taken - count, this.#taken);
  }
}

/** The rows of each page; of lists, a row that the next page may go on with comes with that one. */
async function* pagesOf(file: AsyncBuffer, schema: SchemaTree, chunk: ColumnChunk): AsyncGenerator<unknown[]> {
  const { meta_data: meta, file_path } = chunk;
  if (!meta || file_path !== undefined) throw new Error("its columns lie in other files");
  const schemaPath = getTreePath(schema, meta.path_in_schema);
  const decoder = {
    ...{ pathInSchema: meta.path_in_schema, type: meta.type, codec: "UNCOMPRESSED" as const, schemaPath },
    // `utf8: false`: image bytes in a column without annotation would otherwise be decoded as text.
    ...{ element: (schemaPath.at(-1) as SchemaTree).element, parsers: DEFAULT_PARSERS, utf8: false },
  };
  const repeats = schemaPath.some(({ element }) => element.repetition_type === "REPEATED");
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const pages = new PageReader(file, start, start + Number(meta.total_compressed_size));
  let dictionary: ReturnType<typeof convert> | undefined;
  let unfinished: unknown[] = [];
  for (let page = await pages.next(); page; page = await pages.next()) {
    const { header, reader } = openPage(page, { codec: meta.codec, type: meta.type, schemaPath }, file.byteLength);
    page = undefined;
    const { data = [] } = readPage(
      reader,
      header,
      decoder,
      dictionary,
      unfinished.length > 0 ? unfinished : undefined,
      0,
    );
    if (header.type === "DICTIONARY_PAGE") dictionary = convert(data, decoder);
    else if (repeats) {
      // hyparquet appends to what it was given, except for a page without values, as pyarrow writes after a dictionary.
      const rows = data === unfinished ? unfinished : [...unfinished, ...(data as unknown[])];
      unfinished = rows.splice(-1);
      yield rows;
    } else yield Array.from(data as ArrayLike<unknown>);
  }
  if (unfinished.length > 0) yield unfinished;
}
