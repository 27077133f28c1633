/** Data sets that stay on disk draw the same batches as those in memory. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Batch,
  DataLoader,
  type Dataset,
  DDPMScheduler,
  Generator,
  Image,
  type LoadDatasetOptions,
  loadDataset,
  Trainer,
  type TrainingEvent,
  UNet2DModel,
} from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

const inWasm = process.env.EMBERWING_ENGINE === "wasm";
const CROPPED = { resolution: 8, randomFlip: true } as const;

/** A picture without symmetry, so that every crop and flip of it differs. */
function picture(seed: number, width = 20, height = 14): Uint8Array {
  const { data } = new Generator(seed).rand([height * width * 3]);
  return new Image(
    Uint8Array.from(data, (value) => value * 255),
    width,
    height,
    3,
  ).toPNG();
}

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "emberwing-streaming-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: Record<string, Uint8Array | string>): Promise<string> {
  for (const [file, content] of Object.entries(files)) {
    await mkdir(join(root, name, file, ".."), { recursive: true });
    await writeFile(join(root, name, file), content);
  }
  return join(root, name);
}

async function epochs(dataset: Dataset, count = 2): Promise<Batch[]> {
  const loader = new DataLoader(dataset, { batchSize: 3, seed: 5 });
  const batches: Batch[] = [];
  for (let epoch = 0; epoch < count; epoch++) for await (const batch of loader) batches.push(batch);
  return batches;
}

test.runIf(inWasm)("WebAssembly cannot read files by itself, and says so", async () => {
  const path = await folder("wasm", { "a.png": picture(0) });
  const loading = loadDataset(path, { ...CROPPED, streaming: true });
  await expect(loading).rejects.toMatchObject({ code: "Unsupported", message: expect.stringContaining("streaming") });
});

describe.skipIf(inWasm)("streaming", () => {
  test("a folder gives the batches that it gives from memory, classes included", async () => {
    const names = Array.from({ length: 11 }, (_, index) => `${index % 2 ? "owl" : "auk"}/${index}.png`);
    const path = await folder("same", Object.fromEntries(names.map((name, index) => [name, picture(index)])));
    const options: LoadDatasetOptions = { ...CROPPED, classLabels: "folder" };
    const [held, streamed] = [
      await loadDataset(path, options),
      await loadDataset(path, { ...options, streaming: true }),
    ];
    expect([streamed.length, streamed.shape, streamed.classNames]).toEqual([held.length, held.shape, held.classNames]);
    expect(await streamed.item(7)).toEqual(await held.item(7));
    const batches = await epochs(streamed);
    expect(batches).toHaveLength(8);
    expect(batches).toEqual(await epochs(held));
  });

  test.each(["structs", "bytes", "classes"])(
    "the table %s gives the batches that it gives from memory",
    async (name) => {
      const path = fixturePath(`parquet/${name}.parquet`);
      const before = await spools();
      const [held, streamed] = [
        await loadDataset(path, { resolution: 4 }),
        await loadDataset(path, { resolution: 4, streaming: true }),
      ];
      expect(await epochs(streamed)).toEqual(await epochs(held));
      expect(await spools()).toEqual(before);
    },
  );

  test("a picture that does not decode is told once, and the next one stands in with its class", async () => {
    const path = await folder("broken", {
      "auk/0.png": picture(0),
      "auk/1.png": "no picture",
      "owl/2.png": picture(2),
      "owl/3.png": picture(3).subarray(0, 60),
    });
    const warnings: string[] = [];
    const options = { resolution: 8, streaming: true, classLabels: "folder" } as const;
    const dataset = await loadDataset(path, { ...options, onWarning: (warning) => warnings.push(warning) });
    expect(dataset.length).toBe(4);
    const batches = await epochs(dataset, 3);
    expect(batches.map(({ shape }) => shape[0])).toEqual([3, 1, 3, 1, 3, 1]);
    const labels = batches.flatMap(({ classLabels }) => [...(classLabels ?? [])]);
    // Of each epoch: auk 0, owl 2 twice (for auk 1), auk 0 again (for owl 3).
    expect(labels.filter((label) => label === 0)).toHaveLength(6);
    expect(warnings).toHaveLength(2);
    for (const name of ["auk/1.png", "owl/3.png"]) expect(warnings.join()).toContain(name);
    await expect(dataset.item(1)).rejects.toMatchObject({ code: "InvalidImage" });
  });

  test("strict refuses it by name when it is drawn", async () => {
    const path = await folder("strict", { "a.png": picture(0), "b.png": "no picture" });
    const dataset = await loadDataset(path, { resolution: 8, streaming: true, strict: true });
    await expect(epochs(dataset)).rejects.toMatchObject({
      code: "InvalidImage",
      message: expect.stringContaining("b.png"),
    });
  });

  test("a set without any picture that decodes is an error", async () => {
    const path = await folder("hopeless", { "a.png": "a", "b.png": "b" });
    const dataset = await loadDataset(path, { resolution: 8, streaming: true, onWarning: () => {} });
    await expect(epochs(dataset)).rejects.toMatchObject({ code: "InvalidImage" });
    await expect(epochs(dataset)).rejects.toMatchObject({ code: "MissingFile" });
  });

  test("a file that is gone stops a strict run by its name", async () => {
    const path = await folder("gone", { "a.png": picture(0), "b.png": picture(1) });
    const dataset = await loadDataset(path, { resolution: 8, streaming: true, strict: true });
    await rm(join(path, "b.png"));
    await expect(epochs(dataset)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("b.png"),
    });
  });

  test("the trainer warns, and learns what it learns from memory", async () => {
    const path = await folder("train", { "a.png": picture(0), "b.png": "no picture", "c.png": picture(2) });
    const run = async (options: LoadDatasetOptions): Promise<TrainingEvent[]> => {
      using model = await UNet2DModel.create(
        {
          ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
          ...{ downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] },
        },
        { generator: new Generator(0) },
      );
      const dataset = await loadDataset(path, { ...CROPPED, ...options, onWarning: () => {} });
      const trainer = new Trainer({ model, scheduler: new DDPMScheduler(), dataset, epochs: 2, batchSize: 3, seed: 1 });
      const events: TrainingEvent[] = [];
      for await (const event of trainer.run()) events.push(event);
      return events;
    };
    const events = await run({ streaming: true });
    const warnings = events.filter(({ type }) => type === "warning");
    expect(warnings).toEqual([{ type: "warning", message: expect.stringMatching(/skipped .*b\.png/) }]);
    expect(events.filter(({ type }) => type === "step")).toHaveLength(2);
    await writeFile(join(path, "b.png"), picture(2));
    const held = await run({});
    expect(events.filter(({ type }) => type !== "warning")).toEqual(held);
  });

  test("memory does not hold the set", async () => {
    const count = 250;
    const flat = new Image(new Uint8Array(768 * 768 * 3).fill(90), 768, 768, 3).toPNG();
    const files = Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}.png`, flat]));
    const path = await folder("large", files);
    const dataset = await loadDataset(path, { resolution: 768, centerCrop: true, streaming: true });
    const resident: number[] = [];
    for await (const _ of new DataLoader(dataset, { batchSize: 4, seed: 0 })) resident.push(process.memoryUsage.rss());
    // From memory it would be 400 MB more at the end than at the beginning.
    const [early = 0, late = 0] = [resident[20], resident.at(-1)];
    expect((late - early) / 2 ** 20).toBeLessThan(150);
  });

  const wrong: [string, () => Promise<unknown>, RegExp][] = [
    ["the built-in set", () => loadDataset("butterflies", { resolution: 8, streaming: true }), /streaming/],
    ["pictures in memory", () => loadDataset([picture(0)], { resolution: 8, streaming: true }), /streaming/],
    ["no resolution", () => loadDataset(fixturePath("parquet/structs.parquet"), { streaming: true }), /resolution/],
    ["no such folder", () => loadDataset("no/such/folder", { resolution: 8, streaming: true }), /no such folder/],
  ];
  test.each(wrong)("refused for %s", async (_, load, message) => {
    await expect(load()).rejects.toThrow(message);
  });
});

async function spools(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => /^emberwing-.*\.images$/.test(name));
}
