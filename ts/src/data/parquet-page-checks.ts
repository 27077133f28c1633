/**
 * What a page says of itself, checked before hyparquet decodes it. Runs of equal values and prefixes take a few bytes for
 * any number of values: hyparquet believes each, and would end the process where memory ends.
 */
import type { DataReader, PageHeader, SchemaTree } from "hyparquet";
import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";
import { codecs } from "./parquet-codecs.js";
import type { Page } from "./parquet-pages.js";

/** A page of a file may unpack to so many times the file's bytes, or to so many bytes. */
const MOST_TIMES = 10;
const ALWAYS_BYTES = 2 ** 26;
/** The last run of a page is filled up: bit-packed ones have values by eights, and some writers fill more. */
const FILL = 512;
const LARGEST_BLOCK = 2 ** 16;

type Codec = Parameters<typeof decompressPage>[2];

interface Column {
  codec: Codec;
  type: string;
  schemaPath: SchemaTree[];
}

/** The page as it would be if it had not been compressed. */
export function openPage({ header, reader }: Page, column: Column, fileBytes: number): Page {
  const most = Math.max(ALWAYS_BYTES, MOST_TIMES * fileBytes);
  const values = valuesOf(header);
  const size = header.uncompressed_page_size;
  if (!(values >= 0 && values <= fileBytes)) throw new Error(`a page of ${values} values in ${fileBytes} bytes`);
  if (!(size >= 0 && size <= most)) throw new Error(`a page unpacks to ${size} bytes, more than ${most}`);
  const bytes = unpack(header, reader, column.codec);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkValues(header, view, column, values, most);
  const sizes = { compressed_page_size: bytes.length, uncompressed_page_size: bytes.length };
  return { header: { ...header, ...sizes }, reader: { view, offset: 0 } };
}

function valuesOf({ type, data_page_header, data_page_header_v2, dictionary_page_header }: PageHeader): number {
  const heads = {
    DATA_PAGE: data_page_header,
    DATA_PAGE_V2: data_page_header_v2,
    DICTIONARY_PAGE: dictionary_page_header,
  };
  return heads[type as keyof typeof heads]?.num_values ?? 0;
}

function unpack(header: PageHeader, { view }: DataReader, codec: Codec): Uint8Array {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const v2 = header.data_page_header_v2;
  if (header.type !== "DATA_PAGE_V2" || !v2) {
    return decompressPage(bytes, header.uncompressed_page_size, codec, codecs);
  }
  const levels = levelBytes(header);
  if (!(levels >= 0 && levels <= Math.min(bytes.length, header.uncompressed_page_size))) {
    throw new Error(`a page with levels of ${levels} bytes`);
  }
  if (v2.is_compressed === false) return bytes;
  const size = header.uncompressed_page_size - levels;
  const result = new Uint8Array(levels + size);
  result.set(bytes.subarray(0, levels));
  result.set(decompressPage(bytes.subarray(levels), size, codec, codecs), levels);
  return result;
}

function levelBytes({ data_page_header_v2: v2 }: PageHeader): number {
  const [repetition, definition] = [v2?.repetition_levels_byte_length ?? -1, v2?.definition_levels_byte_length ?? -1];
  return Math.min(repetition, definition) < 0 ? -1 : repetition + definition;
}

function checkValues(header: PageHeader, view: DataView, column: Column, values: number, most: number): void {
  const isV2 = header.type === "DATA_PAGE_V2";
  const data = isV2 ? header.data_page_header_v2 : header.data_page_header;
  if (!data || header.type === "DICTIONARY_PAGE") return;
  const { schemaPath, type } = column;
  const v2 = isV2 ? header.data_page_header_v2 : undefined;
  const levels = [
    { max: getMaxRepetitionLevel(schemaPath), length: v2?.repetition_levels_byte_length },
    { max: getMaxDefinitionLevel(schemaPath), length: v2?.definition_levels_byte_length },
  ];
  let at = 0;
  let definitions = { at: 0, width: 0, max: 0 };
  for (const { max, length } of levels) {
    if (max === 0 && length === undefined) continue;
    const size = length ?? view.getUint32(at, true);
    if (length === undefined) at += 4;
    if (size > view.byteLength - at) throw new Error(`a page with levels of ${size} bytes`);
    definitions = { at, width: 32 - Math.clz32(max), max };
    checkRuns(view, at, at + size, definitions.width, values);
    at += size;
  }
  if (v2 && !(v2.num_nulls >= 0 && v2.num_nulls <= values)) throw new Error(`a page with ${v2.num_nulls} nulls`);
  const { encoding } = data;
  if (encoding === "RLE") checkRuns(view, at + (isV2 && type !== "BOOLEAN" ? 0 : 4), view.byteLength, 1, values);
  else if (encoding.endsWith("_DICTIONARY")) {
    if (at < view.byteLength) checkRuns(view, at + 1, view.byteLength, view.getUint8(at), values);
  } else if (encoding === "BYTE_STREAM_SPLIT") {
    const width = schemaPath.at(-1)?.element.type_length ?? 8;
    if (width > view.byteLength) throw new Error(`values of ${width} bytes in a page of ${view.byteLength}`);
  } else if (encoding.startsWith("DELTA_")) {
    checkBlocks(view, at);
    if (encoding !== "DELTA_BYTE_ARRAY") return;
    const nulls = v2?.num_nulls ?? (definitions.max > 0 ? countNulls(view, definitions, values) : 0);
    checkPrefixes({ view, offset: at }, values - nulls, most);
  }
}

/** Refuses a run of more values than the page has. */
function checkRuns(view: DataView, start: number, end: number, width: number, values: number): void {
  if (width > 32) throw new Error(`values of ${width} bits`);
  const reader = { view, offset: start };
  for (let seen = 0; seen < values && reader.offset < end; ) {
    const head = readVarint(reader);
    const isPacked = head % 2 === 1;
    const count = isPacked ? 4 * (head - 1) : head / 2;
    if (count > values - seen + FILL) throw new Error(`a run of ${count} values in a page of ${values}`);
    seen += count;
    reader.offset += isPacked ? (count / 8) * width : Math.ceil(width / 8);
  }
}

/** Of differences: how many values a block has, and in how many parts. */
function checkBlocks(view: DataView, start: number): void {
  const reader = { view, offset: start };
  const [size, parts] = [readVarint(reader), readVarint(reader)];
  if (size <= LARGEST_BLOCK && parts > 0 && parts <= size) return;
  throw new Error(`blocks of ${size} differences in ${parts} parts`);
}

function countNulls(
  view: DataView,
  { at, width, max }: { at: number; width: number; max: number },
  values: number,
): number {
  const levels = new Array<number>(values);
  readRleBitPackedHybrid({ view, offset: at }, width, levels, 0);
  return levels.reduce((nulls, level) => (level === max ? nulls : nulls + 1), 0);
}

/** Each value repeats so many bytes of the one before it, and goes on with others. */
function checkPrefixes(reader: DataReader, count: number, most: number): void {
  const [prefixes, suffixes] = [new Int32Array(count), new Int32Array(count)];
  deltaBinaryUnpack(reader, count, prefixes);
  checkBlocks(reader.view, reader.offset);
  deltaBinaryUnpack(reader, count, suffixes);
  let [total, before] = [0, 0];
  for (let index = 0; index < count; index++) {
    const [prefix, suffix] = [prefixes[index] as number, suffixes[index] as number];
    if (prefix < 0 || suffix < 0 || prefix > before) throw new Error("a value that repeats more than there was before");
    before = prefix + suffix;
    total += before;
    if (total > most) throw new Error(`values of ${total} bytes in a page, more than ${most}`);
  }
}

function readVarint(reader: DataReader): number {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = reader.view.getUint8(reader.offset++);
    value += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return value;
  }
  throw new Error("a number without an end");
}
