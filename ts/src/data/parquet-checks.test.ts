/** Claims of a few bytes that would cost any amount of memory or time. */
import type { PageHeader, SchemaTree } from "hyparquet";
import { describe, expect, test } from "vitest";
import { codecs } from "./parquet-codecs.js";
import { checkCompact } from "./parquet-compact.js";
import { readFooter } from "./parquet-footer.js";
import { openPage } from "./parquet-page-checks.js";

const viewOf = (...bytes: number[]): DataView => new DataView(Uint8Array.from(bytes).buffer);
const MANY = [0xff, 0xff, 0xff, 0xff, 0x0f];

describe("heads", () => {
  test.each([
    ["a list without room", [0x19, 0xfc, ...MANY, 0]],
    ["a text without room", [0x18, ...MANY, 0]],
    ["a number without an end", [0x16, ...new Array<number>(100).fill(0x81), 0]],
    ["structures in one another", [...new Array<number>(100).fill(0x1c), ...new Array<number>(101).fill(0)]],
    ["lists in one another", [0x19, ...new Array<number>(100).fill(0x19), 0]],
    ["no end", [0x15, 2]],
  ])("with %s are refused", (_, bytes) => {
    expect(() => checkCompact(viewOf(...bytes))).toThrow();
  });

  test("with numbers, texts, lists and structures are taken", () => {
    const list = [0x19, 0x25, 2, 4];
    expect(() => checkCompact(viewOf(0x15, 2, 0x18, 1, 65, ...list, 0x1c, 0x11, 0, 0))).not.toThrow();
  });
});

describe("pages", () => {
  const element = { name: "image", repetition_type: "OPTIONAL", type: "BYTE_ARRAY" } as const;
  const root = { count: 2, path: [], element: { name: "schema", num_children: 1 }, children: [] };
  const schemaPath = [root, { count: 1, path: ["image"], element, children: [] }] as unknown as SchemaTree[];

  function open(bytes: number[], change: Partial<PageHeader> = {}, data: object = {}, codec = "UNCOMPRESSED"): void {
    const data_page_header = { num_values: 4, encoding: "PLAIN", ...data };
    const sizes = { uncompressed_page_size: bytes.length, compressed_page_size: bytes.length };
    const header = { type: "DATA_PAGE", ...sizes, data_page_header, ...change } as unknown as PageHeader;
    const column = { codec: codec as "SNAPPY", type: "BYTE_ARRAY", schemaPath };
    openPage({ header, reader: { view: viewOf(...bytes), offset: 0 } }, column, 1000);
  }

  const levels = [2, 0, 0, 0, 8, 1];

  test("as they are written are taken", () => {
    expect(() => open([...levels, 1, 0, 0, 0, 65])).not.toThrow();
  });

  test.each([
    ["more values than the file has bytes", () => open(levels, {}, { num_values: 2 ** 31 - 1 }), /2147483647 values/],
    ["fewer values than none", () => open(levels, {}, { num_values: -1 }), /-1 values/],
    ["more bytes than there could be", () => open(levels, { uncompressed_page_size: 2 ** 31 - 1 }), /2147483647 bytes/],
    ["a run without an end", () => open([6, 0, 0, 0, ...MANY.with(0, 0xfe), 1]), /a run of 2147483647 values/],
    ["packed values without an end", () => open([6, 0, 0, 0, ...MANY, 1]), /a run of 17179869176 values/],
    ["levels without room", () => open([0xff, 0xff, 0xff, 0xff, 8, 1]), /levels of 4294967295 bytes/],
    [
      "a run of places in the dictionary without an end",
      () => open([...levels, 1, ...MANY.with(0, 0xfe), 0], {}, { encoding: "RLE_DICTIONARY" }),
      /a run of/,
    ],
    [
      "differences in four thousand million parts",
      () => open([...levels, 128, 1, ...MANY, 4, 0], {}, { encoding: "DELTA_BINARY_PACKED" }),
      /in 4294967295 parts/,
    ],
    [
      "values that repeat what was not there",
      // Two blocks of four equal numbers: prefixes of 50, then suffixes of 1.
      () => {
        const block = (first: number): number[] => [128, 1, 4, 4, 2 * first, 0, 0, 0, 0, 0];
        open([...levels, ...block(50), ...block(1), 65, 65, 65, 65], {}, { encoding: "DELTA_BYTE_ARRAY" });
      },
      /repeats more than there was/,
    ],
  ])("with %s are refused", (_, work, message) => {
    expect(work).toThrow(message);
  });

  test("of LZ4 with lengths below zero end", () => {
    const lz4 = codecs.LZ4 as (input: Uint8Array, length: number) => Uint8Array;
    const input = Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, ...new Array<number>(16).fill(0));
    expect(() => lz4(input, 16)).toThrow();
  });

  test("of Zstandard get no more room than the page has", () => {
    const zstd = codecs.ZSTD as (input: Uint8Array, length: number) => Uint8Array;
    // A frame of 2 GB in one segment, with one empty block.
    const input = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0xd0, 0x7f, 1, 0, 0);
    expect(zstd(input, 16).length).toBeLessThanOrEqual(16);
  });
});

test.each([
  ["nothing", []],
  ["another end", new Array<number>(100).fill(0)],
  ["a footer that is longer than the file", [80, 65, 82, 49, 0xff, 0xff, 0xff, 0x7f, 80, 65, 82, 49]],
])("a footer of %s is refused", async (_, bytes) => {
  const { buffer } = Uint8Array.from(bytes);
  const file = {
    byteLength: buffer.byteLength,
    slice: async (start: number, end?: number) => buffer.slice(start, end),
  };
  await expect(readFooter(file)).rejects.toThrow();
});
