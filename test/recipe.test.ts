/** Learning-rate schedules, clipping, accumulation, averaging and weighting, against diffusers and against loops by hand. */
import {
  AdamW,
  type BackwardOptions,
  DataLoader,
  type Dataset,
  DDIMPipeline,
  DDPMScheduler,
  EMAModel,
  Generator,
  LRScheduler,
  type LRSchedulerOptions,
  loadDataset,
  type Tensor,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { expectClose, expectTensorClose, scaledTolerance } from "./closeness.js";
import { at, fixturePath, need, readJson, readTensors } from "./fixtures.js";

const SCHEDULES = "lr_schedules_3_warmup_15_steps_lr_1e-2_cycles_2_power_2";

interface Expected {
  recipe: { losses: number[]; learning_rates: number[]; grad_norms_before_clipping: number[]; ema_decays: number[] };
  [SCHEDULES]: Record<string, number[]>;
}
const expected = readJson<Expected>("training/expected.json");
type ModelConfig = NonNullable<Parameters<typeof UNet2DModel.create>[0]>;
const loadInitial = () => UNet2DModel.fromPretrained(fixturePath("training/initial"));

async function expectSameWeights(unet: UNet2DModel, golden: UNet2DModel, tolerance: number): Promise<void> {
  const [weights, wanted] = [await unet.parameters(), await golden.parameters()];
  for (const name of Object.keys(wanted)) expectTensorClose(need(weights, name), need(wanted, name), tolerance, name);
}

test("diffusers' recipe by hand: accumulation, cosine with warm-up, clipping, AdamW, EMA", async () => {
  const { recipe } = expected;
  const data = readTensors("training/data.safetensors");
  using unet = await loadInitial();
  using optimizer = new AdamW(unet, { betas: [0.95, 0.999], weightDecay: 1e-6 });
  const steps = { numWarmupSteps: 2, numTrainingSteps: recipe.losses.length / 2 };
  const lrScheduler = await LRScheduler.create(optimizer, { name: "cosine", learningRate: 1e-3, ...steps });
  using ema = await EMAModel.create(unet, { decay: 0.9999, useEmaWarmup: true, invGamma: 1, power: 0.75 });
  const seen = { losses: [] as number[], rates: [] as number[], norms: [] as number[], decays: [] as number[] };
  for (let k = 0; k < recipe.losses.length; k++) {
    const timesteps = at(need(data, "timesteps"), k);
    const [sample, target] = [at(need(data, "noisy"), k), at(need(data, "noise"), k)];
    const halves = new Array<number>(timesteps.data.length).fill(0.5);
    seen.losses.push(2 * (await unet.backward({ sample, timesteps, target, weights: halves })).loss);
    if (k % 2 === 0) continue;
    seen.norms.push(await unet.clipGradNorm(1));
    seen.rates.push(lrScheduler.learningRate);
    await optimizer.step();
    await lrScheduler.step();
    await optimizer.zeroGrad();
    seen.decays.push(await ema.step());
  }
  expectClose(seen.losses, recipe.losses, 1e-4);
  expectClose(seen.norms, recipe.grad_norms_before_clipping, 1e-4);
  expectClose(seen.rates, recipe.learning_rates, 1e-12);
  expectClose(seen.decays, recipe.ema_decays, 1e-12);
  using golden = await UNet2DModel.fromPretrained(fixturePath("training/final_recipe"));
  using goldenEma = await UNet2DModel.fromPretrained(fixturePath("training/final_recipe_ema"));
  using averaged = await ema.averagedModel();
  await expectSameWeights(unet, golden, 1e-4);
  await expectSameWeights(averaged, goldenEma, 1e-4);
});

describe("learning rates are diffusers'", () => {
  async function rates(options: LRSchedulerOptions, count: number): Promise<number[]> {
    using unet = await loadInitial();
    using optimizer = new AdamW(unet);
    const scheduler = await LRScheduler.create(optimizer, options);
    return Array.from({ length: count }, (_, step) => scheduler.learningRateAt(step));
  }

  const schedules = Object.entries(expected[SCHEDULES]);
  test.each(schedules)("%s", async (name, golden) => {
    const options = { numWarmupSteps: 3, numTrainingSteps: 15, numCycles: 2, power: 2, learningRate: 1e-2 };
    expectClose(await rates({ ...options, name: name as never }, golden.length), golden, 1e-15);
  });

  test("piecewise_constant", async () => {
    const { piecewise_constant: golden } = readJson<{
      piecewise_constant: { step_rules: string; learning_rate: number; rates: number[] };
    }>("recipe/expected.json");
    const options = { stepRules: golden.step_rules, learningRate: golden.learning_rate };
    expectClose(await rates({ ...options, name: "piecewise_constant" }, golden.rates.length), golden.rates, 1e-15);
  });

  test("wrong rules and names are refused", async () => {
    const broken = rates({ name: "piecewise_constant", learningRate: 1, stepRules: "1:x" }, 1);
    await expect(broken).rejects.toThrow(/stepRules.*1:10,0.1:20,0.01.*1:x/);
    const unknown = rates({ name: "step" as never, learningRate: 1 }, 1);
    await expect(unknown).rejects.toMatchObject({ code: "InvalidConfig", message: expect.stringContaining("cosine") });
  });
});

describe("recomputed activations give the same gradients", () => {
  const small = { sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 16], normNumGroups: 4 };
  const plain: ModelConfig = {
    ...{ ...small, downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"], upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"] },
    dropout: 0.3,
    numClassEmbeds: 3,
  };
  const skip: ModelConfig = {
    ...{ ...small, blockOutChannels: [32, 32], downBlockTypes: ["SkipDownBlock2D", "AttnSkipDownBlock2D"] },
    ...{ upBlockTypes: ["AttnSkipUpBlock2D", "SkipUpBlock2D"], timeEmbeddingType: "fourier", dropout: 0.1 },
  };

  test.each([
    ["attention, dropout and classes", plain, [2, 0]],
    ["skip blocks and Fourier features", skip, []],
  ] as const)("%s", async (_, config, classLabels) => {
    const generator = new Generator(4);
    const sample = generator.randn([2, 3, 8, 8]);
    const input = { sample, timesteps: [3, 700], target: generator.randn([2, 3, 8, 8]), classLabels };
    const [kept, recomputed] = [await gradients(config, input, false), await gradients(config, input, true)];
    for (const [index, loss] of kept.losses.entries()) expect(recomputed.losses[index]).toBeCloseTo(loss, 5);
    for (const [name, gradient] of Object.entries(kept.gradients)) {
      expectTensorClose(need(recomputed.gradients, name), gradient, scaledTolerance(2e-5, gradient), name);
    }
  });

  /** Of two passes: dropout masks must go on from one to the next. */
  async function gradients(config: ModelConfig, input: BackwardOptions, recompute: boolean) {
    using unet = await UNet2DModel.create(config, { generator: new Generator(1) });
    if (recompute) await unet.enableGradientCheckpointing();
    const losses = [(await unet.backward(input)).loss, (await unet.backward(input)).loss];
    return { losses, gradients: await unet.gradients() };
  }
});

describe("Trainer", () => {
  const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
  let dataset: Dataset;
  beforeAll(async () => {
    dataset = await loadDataset("butterflies", { size: 10, resolution: 8, randomFlip: true });
  });

  interface Run {
    unet: UNet2DModel;
    trainer: Trainer;
    events: TrainingEvent[];
    losses: number[];
  }

  async function train(options: Partial<TrainerOptions>): Promise<Run> {
    const unet = options.model ?? (await loadInitial());
    const defaults = { model: unet, scheduler, dataset, batchSize: 2, learningRate: 1e-3, seed: 3 };
    const trainer = new Trainer({ ...defaults, ...options });
    const events: TrainingEvent[] = [];
    for await (const event of trainer.run()) events.push(event);
    const losses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
    return { unet, trainer, events, losses };
  }

  const steps = ({ events }: Run) => events.flatMap((event) => (event.type === "step" ? [event] : []));

  test("gives the losses, rates, norms, decays and weights of the loop by hand", async () => {
    const schedule = { lrScheduler: "cosine", lrWarmupSteps: 2, adamBeta1: 0.95, adamWeightDecay: 1e-6 } as const;
    const run = await train({ ...schedule, epochs: 2, gradientAccumulationSteps: 3, maxGradNorm: 0.5, useEma: true });

    const generator = new Generator(3);
    using unet = await loadInitial();
    using optimizer = new AdamW(unet, { betas: [0.95, 0.999], weightDecay: 1e-6 });
    const lengths = { numWarmupSteps: 2, numTrainingSteps: 4 };
    const lrScheduler = await LRScheduler.create(optimizer, { name: "cosine", learningRate: 1e-3, ...lengths });
    using ema = await EMAModel.create(unet);
    const byHand: { loss: number; learningRate: number; gradNorm: number; emaDecay: number; images: number }[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      // 10 pictures in batches of 2: three batches make the first step, the other two the second.
      const groups = [6, 6, 6, 4, 4];
      let loss = 0;
      let batchIndex = 0;
      for await (const clean of new DataLoader(dataset, { batchSize: 2, generator })) {
        const images = groups[batchIndex++] as number;
        const noise = generator.randn(clean.shape);
        const timesteps = generator.randint(0, 1000, [2]);
        const sample = scheduler.addNoise(clean, noise, timesteps);
        const weights = [2 / images, 2 / images];
        loss += (await unet.backward({ sample, timesteps, target: noise, weights })).loss;
        if (batchIndex !== 3 && batchIndex !== 5) continue;
        const gradNorm = await unet.clipGradNorm(0.5);
        const { learningRate } = lrScheduler;
        await optimizer.step();
        await lrScheduler.step();
        await optimizer.zeroGrad();
        byHand.push({ loss, learningRate, gradNorm, emaDecay: await ema.step(), images });
        loss = 0;
      }
    }
    expect(run.events[0]).toMatchObject({ steps: 4, epochs: 2, stepsPerEpoch: 2 });
    for (const [index, step] of steps(run).entries()) {
      const { loss, gradNorm, ...exact } = byHand[index] as (typeof byHand)[number];
      expect(step).toMatchObject({ ...exact, loss: expect.closeTo(loss, 5), gradNorm: expect.closeTo(gradNorm, 5) });
    }
    expect(steps(run)).toHaveLength(byHand.length);
    await expectSameWeights(run.unet, unet, 1e-5);
    using averaged = await run.trainer.emaModel();
    using expectedAverage = await ema.averagedModel();
    await expectSameWeights(averaged, expectedAverage, 1e-5);
  });

  test("recomputed activations give the same losses", async () => {
    const plain = await train({ steps: 3 });
    const recomputed = await train({ steps: 3, gradientCheckpointing: true });
    expectClose(recomputed.losses, plain.losses, 1e-5);
  });

  test("without useEma there is no average", async () => {
    const { trainer, events } = await train({ steps: 1 });
    expect(events.find(({ type }) => type === "step")).not.toHaveProperty("emaDecay");
    await expect(trainer.emaModel()).rejects.toMatchObject({ code: "InvalidArgument", message: /useEma/ });
  });

  describe("the noise", () => {
    /** The first loss by hand with this noise, and what is to be predicted. */
    async function firstLoss(
      predictionType: "epsilon" | "sample" | "v_prediction",
      draw: (generator: Generator, shape: number[]) => { noise: Tensor; added?: Tensor },
      weigh: (snr: number) => number,
    ): Promise<number> {
      const generator = new Generator(3);
      const process = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", predictionType });
      using unet = await loadInitial();
      for await (const clean of new DataLoader(dataset, { batchSize: 4, generator })) {
        const { noise, added = noise } = draw(generator, clean.shape);
        const timesteps = generator.randint(0, 1000, [4]);
        const sample = process.addNoise(clean, added, timesteps);
        const velocity = process.getVelocity(clean, noise, timesteps);
        const target = { epsilon: noise, sample: clean, v_prediction: velocity }[predictionType];
        const weights = Array.from(timesteps.data, (t) => {
          const alpha = process.alphasCumprod[t] as number;
          return weigh(alpha / (1 - alpha));
        });
        return (await unet.backward({ sample, timesteps, target, weights })).loss;
      }
      throw new Error("the data set is empty");
    }

    const normal = (generator: Generator, shape: number[]) => ({ noise: generator.randn(shape) });
    const gamma = 5;

    test.each([
      ["epsilon", {}, () => 1],
      ["v_prediction", {}, () => 1],
      ["sample", {}, (snr: number) => snr],
      ["epsilon", { snrGamma: gamma }, (snr: number) => Math.min(snr, gamma) / snr],
      ["v_prediction", { snrGamma: gamma }, (snr: number) => Math.min(snr, gamma) / (snr + 1)],
      ["sample", { snrGamma: gamma }, (snr: number) => Math.min(snr, gamma)],
    ] as const)("%s with %o", async (predictionType, options, weigh) => {
      const process = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", predictionType });
      const { losses } = await train({ ...options, scheduler: process, steps: 1, batchSize: 4 });
      const wanted = await firstLoss(predictionType, normal, weigh);
      expect(Math.abs((losses[0] as number) / wanted - 1)).toBeLessThan(1e-4);
    });

    test("noiseOffset adds one number to all pixels of a channel, inputPerturbation what is not to be predicted", async () => {
      const { losses } = await train({ steps: 1, batchSize: 4, noiseOffset: 0.3, inputPerturbation: 0.2 });
      const wanted = await firstLoss(
        "epsilon",
        (generator, shape) => {
          const noise = generator.randn(shape);
          const offsets = generator.randn([4, 3, 1, 1]);
          noise.data.forEach((value, i) => {
            noise.data[i] = value + 0.3 * (offsets.data[Math.floor(i / 64)] as number);
          });
          const more = generator.randn(shape);
          const added = { ...noise, data: noise.data.map((value, i) => value + 0.2 * (more.data[i] as number)) };
          return { noise, added };
        },
        () => 1,
      );
      expect(losses[0]).toBeCloseTo(wanted, 5);
    });
  });

  describe("classes", () => {
    const config = { sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 };
    const blocks = {
      downBlockTypes: ["DownBlock2D", "DownBlock2D"],
      upBlockTypes: ["UpBlock2D", "UpBlock2D"],
    } as const satisfies Parameters<typeof UNet2DModel.create>[0];
    const create = (more: Parameters<typeof UNet2DModel.create>[0]) =>
      UNet2DModel.create({ ...config, ...blocks, ...more } as never, { generator: new Generator(1) });

    /** Dark pictures are class 0, bright ones class 1. */
    function twoKinds(classLabels?: number[]): Promise<Dataset> {
      const pixels = Float32Array.from({ length: 8 * 64 }, (_, i) => (Math.floor(i / 64) % 2 === 0 ? -0.9 : 0.9));
      return loadDataset(pixels, { shape: [8, 1, 8, 8], ...(classLabels && { classLabels }) });
    }
    const labels = [0, 1, 0, 1, 0, 1, 0, 1];

    test("a model learns which is which, and the pipeline paints what it is asked for", async () => {
      using model = await create({ inChannels: 1, outChannels: 1, numClassEmbeds: 2 });
      const process = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", predictionType: "v_prediction" });
      const kinds = await twoKinds(labels);
      await train({ model, scheduler: process, dataset: kinds, steps: 150, batchSize: 8, learningRate: 5e-3 });
      const pipeline = new DDIMPipeline({ unet: model, scheduler: process });
      const { images } = await pipeline.generate({
        classLabels: [1, 0],
        numPerClass: 2,
        numInferenceSteps: 10,
        seed: 0,
      });
      const means = images.map(({ data }) => data.reduce((sum, value) => sum + value, 0) / data.length);
      expect(means).toHaveLength(4);
      for (const bright of means.slice(0, 2)) expect(bright).toBeGreaterThan(170);
      for (const dark of means.slice(2)) expect(dark).toBeLessThan(85);
      expect(images[0]?.channels).toBe(1);
    });

    test("a loader hands the labels of each batch over", async () => {
      for await (const batch of new DataLoader(await twoKinds(labels), { batchSize: 8, shuffle: false })) {
        expect(Array.from(batch.classLabels ?? [])).toEqual(labels);
      }
      for await (const plain of new DataLoader(await twoKinds(), { batchSize: 8 })) {
        expect(plain).not.toHaveProperty("classLabels");
      }
    });

    test.each([
      ["a model with classes and pictures without", { numClassEmbeds: 2 }, undefined, /class labels/],
      ["pictures with classes and a model without", {}, labels, /numClassEmbeds/],
      ["more classes than the model has", { numClassEmbeds: 2 }, labels.map((label) => 2 * label), /at least 3.*2/],
    ])("%s is refused", async (_, classes, given, message) => {
      using model = await create({ inChannels: 1, outChannels: 1, ...classes });
      await expect(train({ model, dataset: await twoKinds(given), steps: 1 })).rejects.toThrow(message);
    });

    test("labels of the wrong number are refused, and a batch that does not fit its classes", async () => {
      await expect(twoKinds([0, 1])).rejects.toThrow(/classLabels: expected an array of 8/);
      using unet = await create({ numClassEmbeds: 2 });
      const pipeline = new DDIMPipeline({ unet, scheduler });
      await expect(pipeline.generate({ classLabels: [0], batchSize: 2 })).rejects.toThrow(/batchSize: expected 1/);
      await expect(pipeline.generate({ numInferenceSteps: 1 })).rejects.toThrow(/classLabels/);
    });
  });

  test("four channels of raw values train and sample", async () => {
    const values = new Generator(0).rand([4, 4, 8, 8]);
    const four = await loadDataset(values.data, { shape: values.shape });
    using model = await UNet2DModel.create({ ...(await loadInitial()).config, inChannels: 4, outChannels: 4 });
    const { losses } = await train({ model, dataset: four, steps: 2 });
    expect(losses.every(Number.isFinite)).toBe(true);
    const pipeline = new DDIMPipeline({ unet: model, scheduler });
    const { images } = await pipeline.generate({ numInferenceSteps: 2, outputType: "tensor", seed: 0 });
    expect(images.shape).toEqual([1, 8, 8, 4]);
  });

  describe("a loss that is not finite", () => {
    /** Its squared error overflows float32, in the batch that has the last picture. */
    const poisoned = () => {
      const values = new Generator(0).rand([6, 3, 8, 8]).data;
      values.fill(3e38, 5 * 192);
      return loadDataset(values, { shape: [6, 3, 8, 8] });
    };
    const process = new DDPMScheduler({ predictionType: "sample", betaSchedule: "squaredcos_cap_v2" });

    test("stops the run, names step and pictures, and leaves the weights as they were", async () => {
      using model = await loadInitial();
      const failing = train({ model, dataset: await poisoned(), scheduler: process, batchSize: 6, steps: 3 });
      await expect(failing).rejects.toMatchObject({ code: "NotFinite", message: /step 1: .*loss.*pictures \[.*5.*\]/ });
      using untouched = await loadInitial();
      await expectSameWeights(model, untouched, 0);
    });

    test("is passed over where nan is skip", async () => {
      const { events, unet } = await train({
        ...{ dataset: await poisoned(), scheduler: process, epochs: 2, batchSize: 1, nan: "skip", learningRate: 1e-6 },
      });
      const skipped = events.filter(({ type }) => type === "skipped");
      expect(skipped).toHaveLength(2);
      expect(skipped[0]).toMatchObject({ problem: expect.stringMatching(/pictures \[5\]/) });
      expect(events.at(-1)).toMatchObject({ type: "done", steps: 12, loss: expect.toSatisfy(Number.isFinite) });
      for (const { data } of Object.values(await unet.parameters())) expect(data.every(Number.isFinite)).toBe(true);
    });
  });

  test.each<[string, Partial<TrainerOptions>, RegExp]>([
    [
      "no accumulation at all",
      { gradientAccumulationSteps: 0 },
      /gradientAccumulationSteps: expected at least 1, got 0/,
    ],
    ["a decay above 1", { useEma: true, emaMaxDecay: 2 }, /emaMaxDecay: expected a number from 0 to 1, got 2/],
    ["a power of 0", { useEma: true, emaPower: 0 }, /emaPower: expected a number above 0/],
    ["a gamma of 0", { snrGamma: 0 }, /snrGamma: expected a number above 0/],
    ["noise of negative strength", { noiseOffset: -1 }, /noiseOffset: expected a number of at least 0/],
    ["an unknown schedule", { lrScheduler: "cosin" as never }, /cosine_with_restarts/],
    ["an unknown policy", { nan: "ignore" as never }, /skip/],
    [
      "checkpoints without a folder",
      { checkpointingSteps: 1 },
      /outputDir: expected a folder, which checkpointingSteps/,
    ],
    ["checkpoints of no steps", { checkpointingSteps: 0, outputDir: "x" }, /checkpointingSteps.*at least 1/],
  ])("refuses %s", async (_, options, message) => {
    await expect(train({ steps: 1, ...options })).rejects.toThrow(message);
  });
});
