/** Parquet files as pyarrow, pandas and Hugging Face's `datasets` write them: which column, in which form, in how many files. */
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataLoader, type Dataset, type LoadDatasetOptions, loadDataset } from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

/** The number of the fixture's image: its colour is (10·k, 100, 255 − 10·k). */
async function numbersOf(dataset: Dataset): Promise<number[]> {
  const numbers: number[] = [];
  for (let index = 0; index < dataset.length; index++) {
    const { data } = await dataset.item(index);
    numbers.push(Math.round(((data[0] as number) / 2 + 0.5) * 255) / 10);
  }
  return numbers;
}

async function load(name: string, options: LoadDatasetOptions = {}) {
  const warnings: string[] = [];
  const onWarning = (warning: string) => void warnings.push(warning);
  const dataset = await loadDataset(fixturePath(`parquet/${name}.parquet`), { resolution: 4, onWarning, ...options });
  return { dataset, warnings };
}

async function classesOf(dataset: Dataset) {
  const numbers: number[] = [];
  for await (const batch of new DataLoader(dataset, { shuffle: false })) numbers.push(...(batch.classLabels ?? []));
  return { names: dataset.classNames, numbers };
}

describe("the column of images", () => {
  test.each([
    ["beside sound and hashes, by its content", "audio", [0, 1, 2, 3]],
    ["by the metadata of Hugging Face", "features", [0, 1, 2, 3]],
    ["of lists, each image an item", "lists", [0, 1, 2, 3, 4]],
    ["of lists in pages of version 2", "lists_v2", [0, 1, 2, 3, 4]],
    ["of base64", "base64", [0, 1, 2]],
    ["of bytes of one length, padded", "fixed", [0, 1, 2, 3]],
  ])("%s", async (_, name, expected) => {
    const { dataset, warnings } = await load(name, { strict: true });
    expect(await numbersOf(dataset)).toEqual(expected);
    expect(warnings).toEqual([]);
  });

  test("the first of several is taken, and it is said", async () => {
    const { dataset, warnings } = await load("two_images");
    expect(await numbersOf(dataset)).toEqual([0, 1, 2, 3]);
    expect(warnings).toEqual([expect.stringMatching(/takes the images of `image`, not of mask/)]);
    const chosen = await load("two_images", { imageColumn: "mask" });
    expect(await numbersOf(chosen.dataset)).toEqual([9, 9, 9, 9]);
    expect(chosen.warnings).toEqual([]);
  });

  test("where there is none, the error names the columns and the options", async () => {
    for (const name of ["numbers", "two_binaries"]) {
      await expect(load(name)).rejects.toThrow(/column of images.*columns a, b.*`imageColumn` \(--image-column\)/);
    }
    await expect(load("audio", { imageColumn: "photo" })).rejects.toThrow(/`photo`.*imageColumn.*audio, hash, image/);
  });
});

describe("images that the table has only the paths of", () => {
  test("are read beside it; one that is not there is named", async () => {
    const { dataset, warnings } = await load("paths");
    expect(dataset.length).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/row 1 \(none\.png\).*none\.png: there is no such file/)]);
    await expect(load("paths", { strict: true })).rejects.toThrow(/none\.png/);
  });

  test("also as text", async () => {
    expect((await load("path_text", { strict: true })).dataset.length).toBe(2);
  });

  test("cannot be found for a table in memory, and it is said", async () => {
    const table = new File([(await readFile(fixturePath("parquet/paths.parquet"))).slice()], "paths.parquet");
    const loading = loadDataset(table, { resolution: 4, onWarning: () => {} });
    await expect(loading).rejects.toThrow(/has only the path of the image/);
  });
});

describe("labels", () => {
  test("true and false", async () => {
    const { dataset } = await load("labels", { classLabels: "kept" });
    expect(await classesOf(dataset)).toEqual({ names: ["false", "true"], numbers: [1, 0, 1, 1] });
  });

  test("an image without one is left out, or refused", async () => {
    const { dataset, warnings } = await load("labels", { classLabels: "gap" });
    expect(await classesOf(dataset)).toEqual({ names: ["0", "1"], numbers: [1, 0, 1] });
    expect(warnings).toEqual([expect.stringMatching(/row 1 .*has no class in the column `gap`/)]);
    await expect(load("labels", { classLabels: "gap", strict: true })).rejects.toThrow(/row 1 .*no class/);
  });

  test("every image of a list has its row's", async () => {
    const { dataset } = await load("lists", { classLabels: "label" });
    expect((await classesOf(dataset)).numbers).toEqual([0, 0, 2, 3, 3]);
  });
});

describe("several files", () => {
  async function shards(names: readonly string[]): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), "emberwing-"));
    const content = await readFile(fixturePath("parquet/structs.parquet"));
    for (const name of names) {
      await mkdir(join(root, name, ".."), { recursive: true });
      await writeFile(join(root, name), name.endsWith(".parquet") ? content : name);
    }
    return root;
  }
  const said = async (source: string | string[], options: LoadDatasetOptions = {}) => {
    const warnings: string[] = [];
    const onWarning = (warning: string) => void warnings.push(warning);
    const dataset = await loadDataset(source, { resolution: 4, onWarning, ...options });
    return { length: dataset.length, warnings };
  };

  test("of a folder, with the training split alone", async () => {
    const names = ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"];
    const root = await shards(["README.md", ...names.map((name) => `data/${name}.parquet`)]);
    const takes = `${root}: takes the 2 files of the training split, of 3`;
    expect(await said(root)).toEqual({ length: 10, warnings: [takes] });
    const labelled = await loadDataset(root, { resolution: 4, classLabels: "label", onWarning: () => {} });
    expect((await classesOf(labelled)).numbers).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
  });

  test("of a folder without splits; hidden ones are left out", async () => {
    const root = await shards(["a.parquet", "b/c.parquet", ".d.parquet", "__MACOSX/e.parquet"]);
    expect(await said(root)).toEqual({ length: 10, warnings: [] });
  });

  test("by wildcards", async () => {
    const root = await shards(["a/x-1.parquet", "a/x-2.parquet", "a/y-1.parquet", "b/deep/x-9.parquet"]);
    const patterns = {
      "a/*.parquet": 3,
      "a/x-?.parquet": 2,
      "**/x-*.parquet": 3,
      "a/[y]-1.parquet": 1,
      "{a,b/deep}/x-[19].parquet": 2,
    };
    for (const [pattern, count] of Object.entries(patterns)) {
      expect(await said(join(root, pattern)), pattern).toEqual({ length: 5 * count, warnings: [] });
    }
    await expect(said(join(root, "z*.parquet"))).rejects.toThrow(/z\*\.parquet: there is no file of such a name/);
  });

  test("by their paths", async () => {
    const root = await shards(["b.parquet", "a.parquet"]);
    expect((await said([join(root, "b.parquet"), join(root, "a.parquet")])).length).toBe(10);
    const missing = said([join(root, "b.parquet"), join(root, "c.parquet")]);
    await expect(missing).rejects.toThrow(/c\.parquet: there is no such file/);
    const mixed = said([join(root, "b.parquet"), fixturePath("images/rgb.png")]);
    await expect(mixed).rejects.toThrow(/images or Parquet files, not both/);
  });

  test("images go before tables that lie beside them, and it is said", async () => {
    const root = await shards(["index.parquet"]);
    await writeFile(join(root, "a.png"), await readFile(fixturePath("images/rgb.png")));
    const { length, warnings } = await said(root);
    expect([length, warnings]).toEqual([1, [expect.stringMatching(/takes the images; left aside 1 Parquet/)]]);
    await expect(said(root, { imageColumn: "picture" })).rejects.toThrow(/imageColumn.*has images/);
  });
});
