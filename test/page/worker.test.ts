/** The API in a worker: the same numbers, a page that stays alive, aborts that are heard, and ends that are told. */
import { DDPMPipeline, DDPMScheduler, Generator, Image, loadDataset, Trainer, UNet2DModel } from "emberwing";
import { afterEach, describe, expect, test } from "vitest";
import { type CreateWorkerOptions, createWorker, type WorkerApi } from "../../ts/src/worker.js";
import { root } from "./page-files.js";

const MODEL = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 8],
  normNumGroups: 4,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
} satisfies Parameters<typeof UNet2DModel.create>[0];

/** Large enough that a step takes a while. */
const LARGER = { ...MODEL, sampleSize: 32, blockOutChannels: [32, 64], normNumGroups: 8 };

const workers: WorkerApi[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

async function start(options: CreateWorkerOptions = {}): Promise<WorkerApi> {
  const script = new Worker(new URL("../../ts/src/worker-host.ts", import.meta.url), { type: "module" });
  const worker = await createWorker({ worker: script, ...options });
  workers.push(worker);
  return worker;
}

async function startTraining(worker: WorkerApi, config: typeof MODEL, steps: number) {
  const model = await worker.UNet2DModel.create(config, { generator: await new worker.Generator(1) });
  const dataset = await worker.loadDataset("butterflies", { size: 8, resolution: config.sampleSize });
  const scheduler = await new worker.DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
  const trainer = await new worker.Trainer({ model, scheduler, dataset, steps, batchSize: 4, seed: 3 });
  return { model, scheduler, trainer };
}

describe("the API in a worker", () => {
  test("trains, draws and saves as it does in the page", async () => {
    const worker = await start();
    const { model, scheduler, trainer } = await startTraining(worker, MODEL, 3);
    const losses: number[] = [];
    for await (const event of trainer.run()) if (event.type === "step") losses.push(event.loss);
    const pipeline = await new worker.DDPMPipeline({ unet: model, scheduler });
    const steps: number[] = [];
    const onStep = ({ step }: { step: number }) => steps.push(step);
    const { images } = await pipeline.generate({ batchSize: 2, numInferenceSteps: 3, seed: 0, onStep });
    const files = new Map<string, Uint8Array>();
    await pipeline.savePretrained(files);

    const here = await UNet2DModel.create(MODEL, { generator: new Generator(1) });
    const dataset = await loadDataset("butterflies", { size: 8, resolution: 8 });
    const local = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
    const expected: number[] = [];
    const run = new Trainer({ model: here, scheduler: local, dataset, steps: 3, batchSize: 4, seed: 3 }).run();
    for await (const event of run) if (event.type === "step") expected.push(event.loss);
    expect(losses).toHaveLength(3);
    expect(losses).toEqual(expected);
    const painted = await new DDPMPipeline({ unet: here, scheduler: local }).generate({
      ...{ batchSize: 2, numInferenceSteps: 3, seed: 0 },
    });
    expect(images).toEqual(painted.images);
    expect(images[0]).toBeInstanceOf(Image);
    expect(steps).toEqual([1, 2, 3]);
    const again = await DDPMPipeline.fromPretrained(files);
    expect(await again.unet.parameters()).toEqual(await here.parameters());
  });

  test("gives properties, typed values and batches", async () => {
    const worker = await start();
    const dataset = await worker.loadDataset("butterflies", { size: 3, resolution: 8 });
    expect([await dataset.length, await dataset.shape]).toEqual([3, [3, 8, 8]]);
    const generator = await new worker.Generator(4);
    expect(await generator.randperm(5)).toEqual(new Generator(4).randperm(5));
    const shapes: number[][] = [];
    for await (const { shape } of await new worker.DataLoader(dataset, { batchSize: 2, seed: 0 })) shapes.push(shape);
    expect(shapes).toEqual([
      [2, 3, 8, 8],
      [1, 3, 8, 8],
    ]);
    dataset.dispose();
    await expect(dataset.item(0)).rejects.toMatchObject({ code: "Disposed" });
  });

  test("a prediction can be read more than once, and goes backward", async () => {
    const worker = await start();
    const model = await worker.UNet2DModel.create(MODEL, { generator: await new worker.Generator(1) });
    const sample = new Generator(2).randn([1, 3, 8, 8]);
    const prediction = await model.forward(sample, 5, { track: true });
    const [first, second] = [await prediction.data, await prediction.data];
    expect(first).toHaveLength(3 * 8 * 8);
    expect(second).toEqual(first);
    const gradient = await prediction.backward({ data: first.map(() => 1), shape: [1, 3, 8, 8] });
    expect(gradient.shape).toEqual(sample.shape);
  });

  test("loads from addresses and files, and saves to a directory by path", async () => {
    const directory = await root.getDirectoryHandle(crypto.randomUUID(), { create: true });
    const worker = await start({ directory });
    const address = new URL("/test/fixtures/pipelines/ddpm", location.href);
    const pipeline = await worker.DDPMPipeline.fromPretrained(address);
    await pipeline.savePretrained("saved");
    const again = await DDPMPipeline.fromPretrained(await directory.getDirectoryHandle("saved"));
    expect(again.unet.config).toEqual(await (await pipeline.unet).config);
  });

  test("errors are what they are in the page", async () => {
    const worker = await start();
    await expect(worker.loadDataset("butterflies", { resolution: 0 })).rejects.toMatchObject({
      name: "EmberwingError",
      code: expect.stringMatching(/^Invalid/),
      message: expect.stringContaining("resolution"),
    });
    await expect(new worker.DDPMScheduler({ betaStart: 2 })).rejects.toMatchObject({ code: "InvalidConfig" });
  });
});

describe("while the worker computes", () => {
  // Other programs on the machine can hold frames back too: some are allowed to be late, and then it is tried again. A page
  // that computed by itself would draw no frame but between two steps.
  test("the page draws 60 frames a second", { retry: 10 }, async () => {
    const { trainer } = await startTraining(await start(), LARGER, 4);
    let training = true;
    const gaps: number[] = [];
    const watch = async () => {
      let last = await new Promise<number>(requestAnimationFrame);
      while (training) {
        const now = await new Promise<number>(requestAnimationFrame);
        gaps.push(now - last);
        last = now;
      }
    };
    const watching = watch();
    const began = performance.now();
    for await (const event of trainer.run()) expect(event.type).not.toBe("warning");
    const milliseconds = performance.now() - began;
    training = false;
    await watching;
    console.log(
      `4 steps in ${milliseconds.toFixed(0)} ms: ${gaps.length} frames, the longest ${Math.max(...gaps).toFixed(0)} ms`,
    );
    expect(gaps.length).toBeGreaterThan(10);
    expect(gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)], "the gap between frames").toBeLessThan(34);
    const late = gaps.filter((gap) => gap > 100).reduce((sum, gap) => sum + gap, 0);
    expect(late / milliseconds, "the share of time without a frame").toBeLessThan(0.25);
  });

  test("an abort ends training after the step that is under way, and it can go on", async () => {
    const { trainer } = await startTraining(await start(), MODEL, 1000);
    const controller = new AbortController();
    const steps: number[] = [];
    const run = async () => {
      for await (const event of trainer.run({ signal: controller.signal })) {
        if (event.type === "step") steps.push(event.step);
        if (steps.length === 2) controller.abort(new Error("enough"));
      }
    };
    await expect(run()).rejects.toThrow("enough");
    expect(steps).toEqual([1, 2]);
    for await (const event of trainer.run()) {
      if (event.type === "step") steps.push(event.step);
      if (steps.length === 3) break;
    }
    expect(steps).toEqual([1, 2, 3]);
  });

  test("an abort ends sampling within a step or two", async () => {
    const worker = await start();
    const { model, scheduler } = await startTraining(worker, LARGER, 1);
    const pipeline = await new worker.DDPMPipeline({ unet: model, scheduler });
    const controller = new AbortController();
    let last = 0;
    let told = 0;
    const onStep = ({ step }: { step: number }) => {
      last = step;
      if (step !== 3) return;
      told = performance.now();
      controller.abort(new Error("seen enough"));
    };
    const painting = pipeline.generate({ batchSize: 8, numInferenceSteps: 1000, onStep, signal: controller.signal });
    await expect(painting).rejects.toThrow("seen enough");
    console.log(`heard ${(performance.now() - told).toFixed(0)} ms after the abort`);
    expect(last).toBeLessThanOrEqual(5);
  });

  test("several workers draw side by side", async () => {
    const paint = async () => {
      const worker = await start();
      const pipeline = await worker.DDPMPipeline.fromPretrained(
        new URL("/test/fixtures/pipelines/ddpm", location.href),
      );
      return (await pipeline.generate({ numInferenceSteps: 4, seed: 5 })).images;
    };
    const [one, two, three] = await Promise.all([paint(), paint(), paint()]);
    expect(one).toHaveLength(1);
    expect([two, three]).toEqual([one, one]);
  });
});

describe("a worker that ends", () => {
  test("by a crash rejects what was asked, says so from then on, and another one works", async () => {
    const script = new Worker(new URL("./worker-that-crashes.js", import.meta.url), { type: "module" });
    const worker = await start({ worker: script });
    const generator = await new worker.Generator(0);
    const { trainer } = await startTraining(worker, MODEL, 1000);
    const training = (async () => {
      for await (const event of trainer.run()) expect(event).toBeDefined();
    })();
    const crash = generator.getState();
    await expect(training).rejects.toMatchObject({ name: "EmberwingError", code: "WorkerLost" });
    await expect(crash).rejects.toMatchObject({ name: "EmberwingError" });
    await expect(generator.randn([1])).rejects.toMatchObject({
      code: "WorkerLost",
      message: expect.stringContaining("make a new one"),
    });
    const another = await start();
    expect((await (await new another.Generator(0)).randn([2])).shape).toEqual([2]);
  });

  test("by terminate rejects what was asked", async () => {
    const worker = await start();
    const loading = worker.loadDataset("butterflies", { size: 1000, resolution: 64 });
    worker.terminate();
    await expect(loading).rejects.toMatchObject({ code: "WorkerLost", message: expect.stringContaining("terminate") });
  });

  test("at its start: without its script or its module", async () => {
    const script = new Worker(new URL("/no/such/script.js", location.href), { type: "module" });
    await expect(createWorker({ worker: script })).rejects.toMatchObject({ code: "WorkerLost" });
    await expect(start({ wasm: new URL("/no/such/module.wasm", location.href) })).rejects.toMatchObject({
      code: "NotInitialized",
    });
  });
});
