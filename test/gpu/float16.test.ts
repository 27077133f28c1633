/** Activations of float16 on a card: as the same model in float32, to what 11 bits hold. */
import {
  AdamW,
  DDPMPipeline,
  DDPMScheduler,
  EmberwingError,
  type FloatType,
  Generator,
  type Tensor,
  UNet2DModel,
  type UNet2DModelConfig,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { maxDifference, sumOfMagnitudes } from "../closeness.js";
import { need } from "../fixtures.js";
import { tiny } from "./tiny.js";

type Config = Partial<UNet2DModelConfig>;

const sample = new Generator(1).randn([3, 3, 8, 8]);
const target = new Generator(2).randn([3, 3, 8, 8]);
const timesteps = [1, 500, 900];
const create = (dtype: FloatType, config: Config = tiny, device = "gpu") =>
  UNet2DModel.create(config, { device, dtype, generator: new Generator(0) });

/** A card without it says so; then that is all there is to test. */
async function refusal(): Promise<EmberwingError | undefined> {
  try {
    (await create("float16")).dispose();
    return undefined;
  } catch (error) {
    if (error instanceof EmberwingError) return error;
    throw error;
  }
}
const refused = await refusal();
if (refused) console.warn(`float16: skipped, ${refused.message}`);

test("a device without it says what has it", async () => {
  const onCpu = create("float16", tiny, "cpu");
  await expect(onCpu).rejects.toMatchObject({
    code: "Unsupported",
    message: expect.stringMatching(/cards.*cpu.*float32/),
  });
  if (refused) expect(refused).toMatchObject({ code: "Unsupported", message: expect.stringContaining("gpu:0") });
});

test("another format is refused", async () => {
  await expect(create("float8" as FloatType)).rejects.toMatchObject({ code: "InvalidArgument" });
});

/** Relative to the sum of all: single numbers of a gradient may be the difference of large ones. A gradient that is zero, as that of `to_k.bias`, is rounding alone: `least` is the sum that counts as much. */
function relativeDifference(actual: Tensor, expected: Tensor, least = 1e-3): number {
  const differences = expected.data.map((value, i) => (actual.data[i] as number) - value);
  return sumOfMagnitudes(differences) / (sumOfMagnitudes(expected.data) + least);
}

/** Every kernel, and every operation of burn that activations go through. */
const models: [string, Config][] = [
  ["plain blocks", tiny],
  [
    "resnets that resample",
    {
      ...tiny,
      downBlockTypes: ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
      upBlockTypes: ["AttnUpBlock2D", "ResnetUpsampleBlock2D"],
      resnetTimeScaleShift: "scale_shift",
      dropout: 0.1,
    },
  ],
  [
    "skip blocks",
    {
      ...tiny,
      blockOutChannels: [32, 32],
      normNumGroups: null,
      downBlockTypes: ["SkipDownBlock2D", "AttnSkipDownBlock2D"],
      upBlockTypes: ["AttnSkipUpBlock2D", "SkipUpBlock2D"],
      timeEmbeddingType: "fourier",
    },
  ],
  [
    "heads of more than 64 channels, classes",
    { ...tiny, blockOutChannels: [8, 96], attentionHeadDim: 96, numClassEmbeds: 4 },
  ],
  ["odd channels", { ...tiny, blockOutChannels: [9, 15], normNumGroups: 3, attentionHeadDim: 5 }],
];

describe.skipIf(refused)("as in float32", () => {
  test.for(models)("%s", async ([, config]) => {
    const outputs: Tensor[] = [];
    const losses: number[] = [];
    const gradients: Record<string, Tensor>[] = [];
    const classLabels = config.numClassEmbeds ? { classLabels: [0, 1, 3] } : {};
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype, config);
      expect(unet.dtype).toBe(dtype);
      outputs.push(await unet.forward(sample, timesteps, classLabels));
      losses.push((await unet.backward({ sample, timesteps, target, ...classLabels })).loss);
      gradients.push(await unet.gradients());
    }
    const [half, full] = outputs as [Tensor, Tensor];
    const difference = maxDifference(half.data, full.data);
    expect(difference).toBeLessThan(0.02 * Math.max(1, ...full.data.map(Math.abs)));
    // Nothing would be different if it were calculated in float32 all the same.
    expect(difference).toBeGreaterThan(0);
    expect(Math.abs((losses[0] as number) / (losses[1] as number) - 1)).toBeLessThan(0.01);
    const [found = {}, expected = {}] = gradients;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name)), name).toBeLessThan(0.05);
    }
  });

  test("gradients too large for it are found with a smaller factor, and none is lost", async () => {
    // The first factor on the loss, 65536, takes these beyond 65504.
    const weights = [4000, 4000, 4000];
    const lists: Record<string, Tensor>[] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype);
      await unet.backward({ sample, timesteps, target });
      const { loss } = await unet.backward({ sample, timesteps, target, weights });
      expect(loss).toBeGreaterThan(1000);
      lists.push(await unet.gradients());
    }
    const [found = {}, expected = {}] = lists;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name), 1), name).toBeLessThan(0.05);
    }
  });

  test("a loss of one's own, its gradient too large for the first factor", async () => {
    const gradient = { shape: target.shape, data: target.data.map((value) => 100 * value) };
    const found: Tensor[] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype);
      const prediction = await unet.forward(sample, timesteps, { track: true });
      found.push(await prediction.backward(gradient), need(await unet.gradients(), "conv_in.weight"));
    }
    const [ofSample, ofWeight, expectedOfSample, expectedOfWeight] = found as [Tensor, Tensor, Tensor, Tensor];
    expect(relativeDifference(ofSample, expectedOfSample)).toBeLessThan(0.05);
    expect(relativeDifference(ofWeight, expectedOfWeight)).toBeLessThan(0.05);
  });

  test("gradient checkpointing finds the same gradients", async () => {
    const lists: Record<string, Tensor>[] = [];
    for (const checkpointing of [true, false]) {
      using unet = await create("float16");
      if (checkpointing) await unet.enableGradientCheckpointing();
      await unet.backward({ sample, timesteps, target });
      lists.push(await unet.gradients());
    }
    const [found = {}, expected = {}] = lists;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name)), name).toBeLessThan(0.01);
    }
  });

  test("a model learns as in float32", async () => {
    const runs: number[][] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype);
      using optimizer = new AdamW(unet, { learningRate: 1e-3 });
      const losses: number[] = [];
      for (let step = 0; step < 12; step++) {
        losses.push((await unet.backward({ sample, timesteps, target })).loss);
        await optimizer.step();
        await optimizer.zeroGrad();
      }
      runs.push(losses);
    }
    const [found = [], expected = []] = runs;
    expect(maxDifference(found, expected)).toBeLessThan(0.02);
    expect(found.at(-1)).toBeLessThan(0.95 * (found[0] as number));
  });

  test("a picture", async () => {
    const pictures: ArrayLike<number>[] = [];
    for (const dtype of ["float16", "float32"] as const) {
      using unet = await create(dtype);
      const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
      pictures.push((await pipeline.generate({ numInferenceSteps: 5, seed: 3 })).images[0]?.data ?? []);
    }
    const [found = [], expected = []] = pictures;
    expect(maxDifference(found, expected)).toBeLessThanOrEqual(4);
  });

  test("weights are saved and loaded as in float32", async () => {
    using unet = await create("float16");
    const folder = new Map<string, Uint8Array>();
    await unet.savePretrained(folder);
    using again = await UNet2DModel.fromPretrained(folder, { device: "gpu", dtype: "float16" });
    expect(again.dtype).toBe("float16");
    const [first, second] = [await unet.forward(sample, 10), await again.forward(sample, 10)];
    expect(maxDifference(first.data, second.data)).toBe(0);
  });
});
