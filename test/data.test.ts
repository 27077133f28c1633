import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataLoader, type Dataset, EmberwingError, Generator, Image, loadDataset, type Tensor } from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

/** A PNG of one colour. */
function png(colour: readonly number[], width = 6, height = 4): Uint8Array {
  const data = Uint8Array.from(
    { length: width * height * colour.length },
    (_, i) => colour[i % colour.length] as number,
  );
  return new Image(data, width, height, colour.length).toPNG();
}

async function folder(files: Record<string, Uint8Array | string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "emberwing-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, ".."), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

/** The colour of an item that has only one, 0 to 255. */
async function colourOf(dataset: Dataset, index: number): Promise<number[]> {
  const { data, shape } = await dataset.item(index);
  const [channels = 0, height = 0, width = 0] = shape;
  const planes = Array.from({ length: channels }, (_, c) => data.slice(c * height * width, (c + 1) * height * width));
  for (const plane of planes) expect(new Set(plane).size).toBe(1);
  return planes.map(([value = 0]) => Math.round((value / 2 + 0.5) * 255));
}

const colours = async (dataset: Dataset) =>
  Promise.all(Array.from({ length: dataset.length }, (_, index) => colourOf(dataset, index)));

describe("the built-in butterflies", () => {
  test("depend on seed and index alone", async () => {
    const few = await loadDataset("butterflies", { size: 3, resolution: 16, seed: 1 });
    const many = await loadDataset("butterflies", { size: 60, resolution: 16, seed: 1 });
    const other = await loadDataset("butterflies", { size: 3, resolution: 16, seed: 2 });
    expect([few.length, many.length, [...few.shape]]).toEqual([3, 60, [3, 16, 16]]);
    expect(await few.item(2)).toEqual(await many.item(2));
    expect(await few.item(2)).not.toEqual(await other.item(2));
    expect(await many.item(2)).not.toEqual(await many.item(59));
  });

  test("lie in [-1, 1], on white", async () => {
    const dataset = await loadDataset("butterflies", { size: 4, resolution: 32 });
    const { data } = await dataset.item(0);
    expect(Math.min(...data)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...data)).toBeLessThanOrEqual(1);
    expect(data[0]).toBeGreaterThan(0.8);
    expect(Math.min(...data)).toBeLessThan(0.5);
  });

  test("in grey", async () => {
    const dataset = await loadDataset("butterflies", { size: 2, resolution: [16, 24], channels: 1 });
    expect([...dataset.shape]).toEqual([1, 16, 24]);
  });

  test("loading stops on abort", async () => {
    const signal = AbortSignal.abort(new Error("no more"));
    await expect(loadDataset("butterflies", { resolution: 8, signal })).rejects.toThrow("no more");
  });
});

describe("image folders", () => {
  test("are read with their subfolders, by name; other files are left alone", async () => {
    const root = await folder({
      "b.png": png([0, 255, 0]),
      "a/z.PNG": png([255, 0, 0]),
      "c/d/e.png": png([0, 0, 255]),
      "metadata.jsonl": "{}",
    });
    const dataset = await loadDataset(root, { resolution: 4 });
    expect([...dataset.shape]).toEqual([3, 4, 4]);
    expect(await colours(dataset)).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ]);
  });

  test("every format", async () => {
    const names = ["rgb.png", "rgb.jpg", "rgb_lossy.webp", "rgb.gif", "rgb.bmp", "grey16.png", "rgba.png"];
    const files = await Promise.all(names.map(async (name) => [name, await readFile(fixturePath(`images/${name}`))]));
    const dataset = await loadDataset(await folder(Object.fromEntries(files)), { resolution: 8, strict: true });
    expect(dataset.length).toBe(names.length);
  });

  test("a damaged image is skipped with a warning that names it, or refused", async () => {
    const root = await folder({
      "good.png": png([9, 9, 9]),
      "bad.png": "no image",
      "cut.png": png([1, 2, 3]).slice(0, 40),
    });
    const warnings: string[] = [];
    const dataset = await loadDataset(root, { resolution: 4, onWarning: (warning) => warnings.push(warning) });
    expect(dataset.length).toBe(1);
    expect(warnings).toEqual([expect.stringContaining("bad.png"), expect.stringContaining("cut.png")]);
    const strict = loadDataset(root, { resolution: 4, strict: true });
    await expect(strict).rejects.toMatchObject({ code: "InvalidImage", message: expect.stringContaining("bad.png") });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["an empty folder", {}, /found no files/],
    ["a folder without images", { "notes.txt": "x" }, /notes\.txt/],
  ])("%s is refused", async (_, files, message) => {
    const loading = loadDataset(await folder(files), { resolution: 4 });
    await expect(loading).rejects.toMatchObject({ code: "MissingFile", message: expect.stringMatching(message) });
  });

  test("a folder whose images are all damaged is refused", async () => {
    const loading = loadDataset(await folder({ "a.png": "x" }), { resolution: 4, onWarning: () => {} });
    await expect(loading).rejects.toMatchObject({ code: "MissingFile" });
  });

  test("a folder that does not exist is refused", async () => {
    await expect(loadDataset("no/such/folder", { resolution: 4 })).rejects.toThrow(/no\/such\/folder.*no such folder/);
  });
});

describe("Parquet", () => {
  const expected = Array.from({ length: 5 }, (_, k) => [10 * k, 100, 255 - 10 * k]);

  test.each(["structs", "bytes"])("%s: the image column is found", async (name) => {
    const dataset = await loadDataset(fixturePath(`parquet/${name}.parquet`), { resolution: 4, strict: true });
    expect(await colours(dataset)).toEqual(expected);
  });

  test("the column can be named", async () => {
    const path = fixturePath("parquet/structs.parquet");
    expect((await loadDataset(path, { resolution: 4, imageColumn: "picture" })).length).toBe(5);
    const wrong = loadDataset(path, { resolution: 4, imageColumn: "image" });
    await expect(wrong).rejects.toThrow(/`image`.*label, picture/);
  });

  test("rows without an image are skipped and named", async () => {
    const warnings: string[] = [];
    const onWarning = (warning: string) => warnings.push(warning);
    const dataset = await loadDataset(fixturePath("parquet/holes.parquet"), { resolution: 4, onWarning });
    expect(await colours(dataset)).toEqual([expected[0], expected[3]]);
    expect(warnings).toEqual([expect.stringContaining("row 1"), expect.stringContaining("row 2")]);
  });

  test("foreign files are refused", async () => {
    const root = await mkdtemp(join(tmpdir(), "emberwing-"));
    await writeFile(join(root, "x.parquet"), "no parquet at all");
    await expect(loadDataset(join(root, "x.parquet"), { resolution: 4 })).rejects.toMatchObject({
      code: "InvalidFile",
    });
    const numbers = loadDataset(fixturePath("parquet/numbers.parquet"), { resolution: 4 });
    await expect(numbers).rejects.toThrow(/column of images.*a, b/);
  });
});

describe("classes", () => {
  const classesOf = async (dataset: Dataset) => {
    const numbers: number[] = [];
    for await (const batch of new DataLoader(dataset, { shuffle: false })) numbers.push(...(batch.classLabels ?? []));
    return { names: dataset.classNames, numbers };
  };

  test("are the folders of a folder, numbered as Python sorts them", async () => {
    const files = { "b/1.png": png([1, 1, 1]), "Z/2.png": png([2, 2, 2]), "b/c/3.png": png([3, 3, 3]) };
    const dataset = await loadDataset(await folder(files), { resolution: 4, classLabels: "folder" });
    expect(await classesOf(dataset)).toEqual({ names: ["Z", "b"], numbers: [0, 1, 1] });
  });

  test("an image outside of any class's folder is refused", async () => {
    const files = { "b/1.png": png([1, 1, 1]), "2.png": png([2, 2, 2]) };
    const loading = loadDataset(await folder(files), { resolution: 4, classLabels: "folder" });
    await expect(loading).rejects.toThrow(/classLabels: expected every image in a folder of its class, got 2\.png/);
  });

  test.each([
    ["structs", "label", { names: ["0", "1", "2", "3", "4"], numbers: [0, 1, 2, 3, 4] }],
    ["bytes", "name", { names: ["0", "1", "2", "3", "4"], numbers: [0, 1, 2, 3, 4] }],
    ["classes", "kind", { names: ["admiral", "brimstone"], numbers: [1, 0, 1, 0] }],
  ])("are the column of %s.parquet", async (name, classLabels, expected) => {
    const dataset = await loadDataset(fixturePath(`parquet/${name}.parquet`), { resolution: 4, classLabels });
    expect(await classesOf(dataset)).toEqual(expected);
  });

  test("a column that is not there is refused", async () => {
    const loading = loadDataset(fixturePath("parquet/structs.parquet"), { resolution: 4, classLabels: "species" });
    await expect(loading).rejects.toThrow(/`species`.*label, picture/);
  });

  test("stay with their images where others are skipped", async () => {
    const images = [png([1, 1, 1]), new Uint8Array(3), png([3, 3, 3])];
    const options = { resolution: 4, classLabels: ["owl", "crow", "auk"], onWarning: () => {} };
    expect(await classesOf(await loadDataset(images, options))).toEqual({ names: ["auk", "owl"], numbers: [1, 0] });
  });

  test("a class that is no number is refused, and classes of the built-in set", async () => {
    const half = loadDataset([png([1, 1, 1])], { resolution: 4, classLabels: [0.5] });
    await expect(half).rejects.toThrow(/classLabels\[0\]: expected a class number/);
    const builtIn = loadDataset("butterflies", { resolution: 4, classLabels: "folder" });
    await expect(builtIn).rejects.toThrow(/classLabels/);
  });
});

describe("images in memory", () => {
  test("buffers, bytes, blobs and files", async () => {
    const images = [
      await readFile(join(await folder({ "red.png": png([255, 0, 0]) }), "red.png")),
      png([0, 255, 0]),
      new Blob([png([0, 0, 255]).slice()]),
      new File([png([7, 7, 7]).slice()], "grey.png"),
    ];
    const dataset = await loadDataset(images, { resolution: 4 });
    expect(await colours(dataset)).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [7, 7, 7],
    ]);
  });

  test("raw values are used as they are", async () => {
    const values = new Generator(0).randn([5, 2, 3, 4]);
    const dataset = await loadDataset(values.data, { shape: values.shape });
    expect([dataset.length, ...dataset.shape]).toEqual([5, 2, 3, 4]);
    expect((await dataset.item(4)).data).toEqual(values.data.slice(4 * 24));
  });
});

describe("DataLoader", () => {
  /** Item k holds the number k. */
  const numbered = (size: number) =>
    loadDataset(
      Float32Array.from({ length: size * 2 }, (_, i) => Math.floor(i / 2)),
      { shape: [size, 1, 1, 2] },
    );

  async function collect(loader: DataLoader): Promise<Tensor[]> {
    const batches: Tensor[] = [];
    for await (const batch of loader) batches.push(batch);
    return batches;
  }

  const items = (batches: Tensor[]) => batches.flatMap(({ data }) => [...data].filter((_, i) => i % 2 === 0));

  test("shuffles as torch's randperm does, anew for each epoch", async () => {
    const dataset = await numbered(7);
    const loader = new DataLoader(dataset, { batchSize: 3, seed: 4 });
    const [first, second] = [await collect(loader), await collect(loader)];
    expect(first.map(({ shape }) => shape)).toEqual([
      [3, 1, 1, 2],
      [3, 1, 1, 2],
      [1, 1, 1, 2],
    ]);
    const generator = new Generator(4);
    expect(items(first)).toEqual([...generator.randperm(7)]);
    expect(items(second)).toEqual([...generator.randperm(7)]);
  });

  test("in order, without the rest", async () => {
    const loader = new DataLoader(await numbered(7), { batchSize: 3, shuffle: false, dropLast: true });
    expect(items(await collect(loader))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("a loop that was left starts a new epoch the next time", async () => {
    const loader = new DataLoader(await numbered(4), { batchSize: 2, shuffle: false });
    for await (const batch of loader) {
      expect(items([batch])).toEqual([0, 1]);
      break;
    }
    expect(items(await collect(loader))).toEqual([0, 1, 2, 3]);
  });

  test("flips half of the images", async () => {
    const values = Float32Array.from({ length: 400 }, (_, i) => i % 2);
    const dataset = await loadDataset(values, { shape: [200, 1, 1, 2], randomFlip: true });
    const [batch] = await collect(new DataLoader(dataset, { batchSize: 200, seed: 0 }));
    const flipped = items([batch as Tensor]).filter((left) => left === 1).length;
    expect(flipped).toBeGreaterThan(70);
    expect(flipped).toBeLessThan(130);
  });

  test.each<[string, object, RegExp]>([
    ["an empty batch", { batchSize: 0 }, /batchSize.*0/],
    ["an unknown option", { batchsize: 1 }, /batchsize.*batchSize/],
    ["seed and generator", { seed: 0, generator: new Generator(0) }, /seed, generator/],
  ])("refuses %s", async (_, options, message) => {
    const dataset = await numbered(2);
    expect(() => new DataLoader(dataset, options)).toThrow(message);
    expect(() => new DataLoader(dataset, options)).toThrow(EmberwingError);
  });
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  ["a misspelt option", () => loadDataset("butterflies", { resolutoin: 8 } as never), /resolutoin.*resolution/],
  ["an option of another source", () => loadDataset("butterflies", { resolution: 8, strict: true }), /strict.*size/],
  ["no size of the images", () => loadDataset("butterflies"), /resolution/],
  ["a size of zero", () => loadDataset("butterflies", { resolution: 0 }), /resolution/],
  ["two channels", () => loadDataset("butterflies", { resolution: 8, channels: 2 as never }), /channels.*2/],
  ["raw values without a shape", () => loadDataset(new Float32Array(6)), /shape/],
  ["raw values that do not fill the shape", () => loadDataset(new Float32Array(6), { shape: [1, 1, 2, 2] }), /4|6/],
  ["NaN in raw values", () => loadDataset(new Float32Array([Number.NaN]), { shape: [1, 1, 1, 1] }), /NaN/i],
  ["a number as source", () => loadDataset(5 as never), /source.*5/],
])("refuses %s", async (_, load, message) => {
  await expect(load()).rejects.toThrow(message);
  await expect(load()).rejects.toThrow(EmberwingError);
});

test("an index beyond the data set is refused", async () => {
  const dataset = await loadDataset("butterflies", { size: 2, resolution: 8 });
  await expect(dataset.item(2)).rejects.toThrow(/index.*2/);
  dataset.dispose();
  await expect(dataset.item(0)).rejects.toMatchObject({ code: "Disposed" });
});
