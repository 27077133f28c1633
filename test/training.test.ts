import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AdamW,
  DataLoader,
  type Dataset,
  DDPMPipeline,
  DDPMScheduler,
  EmberwingError,
  Generator,
  loadDataset,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { expectTensorClose } from "./closeness.js";
import { at, fixturePath, need, readJson, readTensors } from "./fixtures.js";

const loadInitial = () => UNet2DModel.fromPretrained(fixturePath("training/initial"));
const temporaryFolder = () => mkdtemp(join(tmpdir(), "emberwing-"));

describe("the loop by hand on diffusers' batches", () => {
  const { losses } = readJson<{ losses: number[] }>("training/expected.json");
  const data = readTensors("training/data.safetensors");

  test("losses and final weights", async () => {
    const scheduler = await DDPMScheduler.fromPretrained(fixturePath("training/scheduler"));
    using unet = await loadInitial();
    using optimizer = new AdamW(unet, { learningRate: 4e-4 });
    for (const [k, expected] of losses.entries()) {
      const [clean, noise] = [at(need(data, "clean"), k), at(need(data, "noise"), k)];
      const timesteps = at(need(data, "timesteps"), k);
      const noisy = scheduler.addNoise(clean, noise, timesteps);
      expectTensorClose(noisy, at(need(data, "noisy"), k), 1e-6);
      const { loss } = await unet.backward({ sample: noisy, timesteps, target: noise });
      expect(Math.abs(loss - expected), `loss ${k}`).toBeLessThan(1e-4);
      await optimizer.step();
      optimizer.zeroGrad();
    }
    using golden = await UNet2DModel.fromPretrained(fixturePath("training/final_adamw"));
    const [weights, expected] = [await unet.parameters(), await golden.parameters()];
    // A card sums in another order, and AdamW makes much of small differences: its first steps are the gradient's sign.
    const tolerance = unet.device === "cpu" ? 1e-4 : 1e-3;
    for (const name of Object.keys(expected)) {
      expectTensorClose(need(weights, name), need(expected, name), tolerance, name);
    }
  });
});

describe("Trainer", () => {
  const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
  let dataset: Dataset;

  beforeAll(async () => {
    dataset = await loadDataset("butterflies", { size: 10, resolution: 8, randomFlip: true });
  });

  async function trainer(options: Partial<TrainerOptions> = {}): Promise<{ unet: UNet2DModel; trainer: Trainer }> {
    const unet = await loadInitial();
    const settings = { model: unet, scheduler, dataset, batchSize: 4, learningRate: 4e-4, seed: 3 };
    return { unet, trainer: new Trainer({ ...settings, ...options }) };
  }

  async function collect(run: AsyncIterable<TrainingEvent>): Promise<TrainingEvent[]> {
    const events: TrainingEvent[] = [];
    for await (const event of run) events.push(event);
    return events;
  }

  const lossesOf = (events: TrainingEvent[]) => events.flatMap((event) => (event.type === "step" ? [event.loss] : []));

  test("gives the losses and the weights of the loop by hand", async () => {
    const automatic = await trainer({ epochs: 2 });
    const events = await collect(automatic.trainer.run());

    const generator = new Generator(3);
    using unet = await loadInitial();
    using optimizer = new AdamW(unet, { learningRate: 4e-4 });
    const losses: number[] = [];
    const loader = new DataLoader(dataset, { batchSize: 4, generator });
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const clean of loader) {
        const noise = generator.randn(clean.shape);
        const timesteps = generator.randint(0, 1000, [clean.shape[0] as number]);
        const sample = scheduler.addNoise(clean, noise, timesteps);
        losses.push((await unet.backward({ sample, timesteps, target: noise })).loss);
        await optimizer.step();
        optimizer.zeroGrad();
      }
    }
    expect(losses).toHaveLength(6);
    lossesOf(events).forEach((loss, step) => {
      expect(loss).toBeCloseTo(losses[step] as number, 6);
    });
    const [weights, expected] = [await automatic.unet.parameters(), await unet.parameters()];
    for (const name of Object.keys(expected)) expectTensorClose(need(weights, name), need(expected, name), 1e-6, name);
  });

  test("reports start, steps, epochs and the end", async () => {
    const events = await collect((await trainer({ epochs: 2 })).trainer.run());
    const types = ["start", "step", "step", "step", "epoch", "step", "step", "step", "epoch", "done"];
    expect(events.map((event) => event.type)).toEqual(types);
    expect(events[0]).toMatchObject({ steps: 6, epochs: 2, stepsPerEpoch: 3, parameters: 45259, images: 10 });
    expect(events[1]).toMatchObject({ step: 1, epoch: 1, learningRate: 4e-4, images: 4 });
    expect(events[3]).toMatchObject({ step: 3, epoch: 1, images: 2 });
    const losses = lossesOf(events);
    const mean = ((losses[3] as number) + (losses[4] as number) + (losses[5] as number)) / 3;
    expect(events[8]).toMatchObject({ type: "epoch", epoch: 2, step: 6, loss: expect.closeTo(mean, 5) });
    expect(events[9]).toMatchObject({ type: "done", steps: 6, epochs: 2 });
  });

  test("a number of steps ends in the middle of an epoch", async () => {
    const events = await collect((await trainer({ steps: 4 })).trainer.run());
    expect(lossesOf(events)).toHaveLength(4);
    expect(events.at(-1)).toMatchObject({ type: "done", steps: 4 });
  });

  test("the same seed gives the same run, another seed another", async () => {
    const losses = async (seed: number) => lossesOf(await collect((await trainer({ steps: 3, seed })).trainer.run()));
    expect(await losses(1)).toEqual(await losses(1));
    expect(await losses(1)).not.toEqual(await losses(2));
  });

  test("clips the gradients where it is told to", async () => {
    const events = await collect((await trainer({ steps: 2, maxGradNorm: 0.1 })).trainer.run());
    const [first] = events.filter((event) => event.type === "step");
    expect(first?.gradNorm).toBeGreaterThan(0.1);
  });

  test("an abort rejects with its reason, keeps the model and saves it", async () => {
    const outputDir = join(await temporaryFolder(), "run");
    const { trainer: aborted, unet } = await trainer({ epochs: 100, outputDir });
    const controller = new AbortController();
    const steps: number[] = [];
    const run = async () => {
      for await (const event of aborted.run({ signal: controller.signal })) {
        if (event.type === "step") steps.push(event.step);
        if (steps.length === 2) controller.abort(new Error("enough"));
      }
    };
    await expect(run()).rejects.toThrow("enough");
    expect(steps).toEqual([1, 2]);
    expect((await readdir(outputDir)).sort()).toEqual(["model_index.json", "scheduler", "unet"]);
    const saved = await DDPMPipeline.fromPretrained(outputDir);
    expect(await saved.unet.parameters()).toEqual(await unet.parameters());

    for await (const event of aborted.run()) {
      if (event.type === "step") steps.push(event.step);
      if (steps.length === 3) break;
    }
    expect(steps).toEqual([1, 2, 3]);
    const savedAgain = await DDPMPipeline.fromPretrained(outputDir);
    expect(await savedAgain.unet.parameters()).toEqual(await unet.parameters());
  });

  test("the pipeline is there when the run says that it is done", async () => {
    const outputDir = await temporaryFolder();
    for await (const event of (await trainer({ steps: 1, outputDir })).trainer.run()) {
      if (event.type === "done") expect(await readdir(outputDir)).toContain("model_index.json");
    }
    expect((await DDPMPipeline.fromPretrained(outputDir)).scheduler.config).toEqual(scheduler.config);
  });

  test.each<[string, Partial<TrainerOptions>, RegExp]>([
    ["neither epochs nor steps", {}, /epochs.*steps/],
    ["both epochs and steps", { epochs: 1, steps: 1 }, /epochs.*steps/],
    ["an empty batch", { steps: 1, batchSize: 0 }, /batchSize.*0/],
    ["a learning rate below zero", { steps: 1, learningRate: -1 }, /learningRate.*-1/],
    ["an unknown option", { steps: 1, lr: 1e-3 } as never, /lr.*learningRate/],
    ["seed and generator", { steps: 1, generator: new Generator(0) }, /seed, generator/],
    ["a rate that is no number", { steps: 1, learningRate: Number.NaN }, /learningRate.*NaN/],
  ])("refuses %s", async (_, options, message) => {
    await expect(trainer(options)).rejects.toThrow(message);
    await expect(trainer(options)).rejects.toThrow(EmberwingError);
  });

  test("images of other channels than the model's are refused", async () => {
    const grey = await loadDataset("butterflies", { size: 2, resolution: 8, channels: 1 });
    const start = async () => collect((await trainer({ steps: 1, dataset: grey })).trainer.run());
    await expect(start()).rejects.toThrow(/channels|\b1\b.*\b3\b/);
  });

  test("an outputDir that cannot be written is refused before the first step", async () => {
    const file = join(await temporaryFolder(), "file");
    await writeFile(file, "");
    const { trainer: refused } = await trainer({ steps: 1, outputDir: join(file, "run") });
    await expect(collect(refused.run())).rejects.toMatchObject({ code: "WriteFailed" });
  });
});
