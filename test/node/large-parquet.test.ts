/**
 * Row groups larger than memory is to grow. `npm run test:full -- parquet` has one of more than 2 GiB, in pages of more than
 * 1 GiB, as pyarrow writes images of 1 MB: 1,024 rows a page, a million a row group.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Image, loadDataset } from "emberwing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openParquet } from "../../ts/src/data/parquet.js";
import { nodeFiles } from "../../ts/src/platform/node-files.js";
import { writeLargeTable } from "./large-table.js";

const MB = 2 ** 20;
const shape = process.env.EMBERWING_TEST_FULL
  ? { pages: 2, rowsPerPage: 1100, bytesPerRow: MB }
  : { pages: 40, rowsPerPage: 5, bytesPerRow: MB / 2 };
const image = new Image(new Uint8Array(8 * 8 * 3).fill(77), 8, 8, 3).toPNG();
const count = shape.pages * shape.rowsPerPage;

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emberwing-large-"));
  path = join(folder, "large.parquet");
  await writeLargeTable(path, image, shape);
});
afterAll(() => rm(folder, { recursive: true }));

test("are read a page at a time", async () => {
  const file = await nodeFiles.open(path);
  const page = shape.rowsPerPage * (4 + shape.bytesPerRow);
  expect(file.byteLength).toBeGreaterThan(count * shape.bytesPerRow);
  let largest = 0;
  const slice = (start: number, end = file.byteLength) => {
    largest = Math.max(largest, end - start);
    return file.slice(start, end);
  };
  const readBeside = () => Promise.reject(new Error("no file lies beside it"));
  const table = await openParquet(
    { name: path, byteLength: file.byteLength, slice, readBeside },
    {
      imageColumn: undefined,
      labelColumn: undefined,
    },
  );
  let rows = 0;
  for await (const { read } of table.images()) {
    const bytes = await read();
    expect(bytes.length).toBe(shape.bytesPerRow);
    if (rows++ % shape.rowsPerPage === 0) expect(bytes.subarray(0, image.length)).toEqual(image);
  }
  await file.close();
  expect(rows).toBe(count);
  expect(largest).toBeLessThanOrEqual(Math.max(page, 2 ** 19));
});

test("become a data set", async () => {
  const dataset = await loadDataset(path, { resolution: 8, strict: true });
  expect(dataset.length).toBe(count);
  const { data } = await dataset.item(count - 1);
  expect(Math.round(((data[0] as number) / 2 + 0.5) * 255)).toBe(77);
});
