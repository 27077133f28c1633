/** What is true of graphics cards alone: which there are, and that a card computes what the CPU computes. */
import {
  AdamW,
  DDPMPipeline,
  DDPMScheduler,
  devices,
  EMAModel,
  EmberwingError,
  Generator,
  UNet2DModel,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { expectTensorClose, maxDifference, scaledTolerance } from "../closeness.js";
import { need } from "../fixtures.js";
import { tiny, wide } from "./tiny.js";

const sample = new Generator(1).randn([3, 3, 8, 8]);
const target = new Generator(2).randn([3, 3, 8, 8]);
const create = (device: string, config: typeof tiny | typeof wide = tiny) =>
  UNet2DModel.create(config, { device, generator: new Generator(0) });

describe("devices", () => {
  test("the CPU first, then cards with name and interface", () => {
    const [cpu, ...cards] = devices();
    expect(cpu).toBe("cpu");
    expect(cards.length).toBeGreaterThan(0);
    for (const [index, card] of cards.entries()) expect(card).toMatch(new RegExp(`^gpu:${index} \\(.+, .+\\)$`));
  });

  test("short names and whole names choose the same card", async () => {
    const [, card = ""] = devices();
    for (const name of ["gpu", "gpu:0", card]) {
      using unet = await create(name);
      expect(unet.device).toBe(card);
    }
  });

  test("auto takes hardware, or the CPU", async () => {
    const [, card = ""] = devices();
    using unet = await create("auto");
    expect(unet.device).toBe(card.includes("software") ? "cpu" : card);
  });

  test("a card that is not there", async () => {
    const missing = create("gpu:7");
    await expect(missing).rejects.toMatchObject({ name: "EmberwingError", code: "DeviceUnavailable" });
    await expect(missing).rejects.toThrow(/gpu:7.*gpu:0/);
  });

  test("a name that is none", async () => {
    await expect(create("gpu:first")).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

describe("the card computes what the CPU computes", () => {
  test.each([
    { products: "small", config: tiny },
    { products: "large", config: wide },
  ])("outputs, losses, gradients, and weights after a step, with $products products", async ({ config }) => {
    const shape = [3, 3, config.sampleSize, config.sampleSize];
    const [sample, target] = [new Generator(1).randn(shape), new Generator(2).randn(shape)];
    using onCard = await create("gpu", config);
    using onCpu = await create("cpu", config);
    expectTensorClose(await onCard.forward(sample, 10), await onCpu.forward(sample, 10), 1e-5);
    const losses = [];
    for (const unet of [onCard, onCpu]) {
      using optimizer = new AdamW(unet, { learningRate: 1e-3 });
      losses.push((await unet.backward({ sample, timesteps: [1, 500, 900], target })).loss);
      await optimizer.step();
    }
    expect(losses[0]).toBeCloseTo(losses[1] ?? 0, 5);
    const [gradients, expected] = [await onCard.gradients(), await onCpu.gradients()];
    for (const name of Object.keys(expected)) {
      const golden = need(expected, name);
      expectTensorClose(need(gradients, name), golden, scaledTolerance(1e-4, golden), name);
    }
    const [weights, trained] = [await onCard.parameters(), await onCpu.parameters()];
    for (const name of Object.keys(trained)) {
      // Where a gradient is nearly zero, AdamW's step is its sign: twice the learning rate apart.
      expectTensorClose(need(weights, name), need(trained, name), 2.1e-3, name);
    }
  });

  test("gradients of the weights alone are numbers", async () => {
    using unet = await create("gpu");
    await unet.backward({ sample, timesteps: 10, target });
    for (const [name, { data }] of Object.entries(await unet.gradients())) {
      expect(data.every(Number.isFinite), name).toBe(true);
    }
  });

  test("the length of the gradient, and averages of the weights", async () => {
    using onCard = await create("gpu");
    using onCpu = await create("cpu");
    const lengths = [];
    for (const unet of [onCard, onCpu]) {
      await unet.backward({ sample, timesteps: 10, target });
      lengths.push(await unet.clipGradNorm(0.5));
    }
    expect(lengths[0]).toBeCloseTo(lengths[1] ?? 0, 4);

    using optimizer = new AdamW(onCard, { learningRate: 1e-3 });
    using ema = await EMAModel.create(onCard);
    const weights = [];
    let decay = 0;
    for (let step = 0; step < 2; step++) {
      await optimizer.step();
      decay = await ema.step();
      weights.push(await onCard.parameters());
    }
    // The first update copies, the second one moves: s − (1 − decay)(s − θ).
    using averaged = await ema.averagedModel();
    const [first = {}, second = {}] = weights;
    for (const [name, average] of Object.entries(await averaged.parameters())) {
      const [start, end] = [need(first, name).data, need(second, name).data];
      const expected = start.map((value, i) => value - (1 - decay) * (value - (end[i] as number)));
      expect(maxDifference(average.data, expected), name).toBeLessThanOrEqual(1e-6);
      expect(maxDifference(start, end), name).toBeGreaterThan(0);
    }
  });

  test("calls that come at once are answered in order", async () => {
    using unet = await create("gpu");
    const alone = [];
    for (const t of [1, 2, 3, 4, 5, 6]) alone.push(await unet.forward(sample, t));
    const together = await Promise.all([1, 2, 3, 4, 5, 6].map((t) => unet.forward(sample, t)));
    for (const [index, output] of together.entries()) expectTensorClose(output, alone[index] ?? sample, 0);
  });

  test("a picture is the CPU's to one level of 255", async () => {
    const pictures = [];
    for (const device of ["gpu", "cpu"]) {
      using unet = await create(device);
      const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
      pictures.push((await pipeline.generate({ numInferenceSteps: 5, seed: 3 })).images[0]?.data ?? []);
    }
    const [onCard = [], onCpu = []] = pictures;
    expect(maxDifference(onCard, onCpu)).toBeLessThanOrEqual(1);
  });
});

test("errors are EmberwingErrors on a card too", async () => {
  using unet = await create("gpu");
  await expect(unet.forward(new Generator(0).randn([1, 4, 8, 8]), 1)).rejects.toThrow(EmberwingError);
});
