/** The pages of one column of a row group, read one after the other. */
import type { AsyncBuffer, DataReader, PageHeader } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { checkCompact } from "./parquet-compact.js";

/** Read at least, so that small pages come together, and large ones cost little more than they are. */
const BLOCK = 2 ** 16;

export interface Page {
  header: PageHeader;
  /** Its content, not yet decompressed. */
  reader: DataReader;
}

export class PageReader {
  readonly #file: AsyncBuffer;
  readonly #end: number;
  #at: number;
  #block = new Uint8Array(0);
  #blockStart = 0;

  constructor(file: AsyncBuffer, start: number, end: number) {
    if (end > file.byteLength) throw new Error(`a column ends at byte ${end} of ${file.byteLength}`);
    this.#file = file;
    this.#at = start;
    this.#end = end;
  }

  /** `undefined` where the column ends. */
  async next(): Promise<Page | undefined> {
    if (this.#at >= this.#end) return undefined;
    const { header, length } = await this.#header();
    const size = header.compressed_page_size;
    const start = this.#at + length;
    if (!(size >= 0 && start + size <= this.#end)) throw new Error(`a page of ${size} bytes at byte ${start}`);
    const content = await this.#bytes(start, size);
    this.#at = start + size;
    return { header, reader: readerOf(content) };
  }

  /** How long it is, only reading it tells: with statistics of long values it can be longer than a block. */
  async #header(): Promise<{ header: PageHeader; length: number }> {
    for (let most = BLOCK; ; most *= 16) {
      const bytes = await this.#bytes(this.#at, Math.min(most, this.#end - this.#at));
      const reader = readerOf(bytes);
      try {
        checkCompact(reader.view);
        const header = parquetHeader(reader);
        if (reader.offset <= bytes.length) return { header, length: reader.offset };
      } catch (error) {
        if (bytes.length >= this.#end - this.#at) throw error;
      }
      if (bytes.length >= this.#end - this.#at) throw new Error(`the head of a page at byte ${this.#at} is cut off`);
    }
  }

  async #bytes(start: number, length: number): Promise<Uint8Array> {
    const from = start - this.#blockStart;
    if (from >= 0 && from + length <= this.#block.length) return this.#block.subarray(from, from + length);
    if (length > BLOCK) return new Uint8Array(await this.#file.slice(start, start + length));
    this.#block = new Uint8Array(await this.#file.slice(start, Math.min(start + BLOCK, this.#end)));
    this.#blockStart = start;
    return this.#block.subarray(0, length);
  }
}

function readerOf(bytes: Uint8Array): DataReader {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}
