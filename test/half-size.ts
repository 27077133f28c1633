/** Activations of half the size: as the same model in float32, to what their bits hold. */
import {
  AdamW,
  DDPMPipeline,
  DDPMScheduler,
  type FloatType,
  Generator,
  type Tensor,
  UNet2DModel,
  type UNet2DModelConfig,
} from "emberwing";
import { expect, test } from "vitest";
import { maxDifference, sumOfMagnitudes } from "./closeness.js";
import { need } from "./fixtures.js";
import { tiny } from "./gpu/tiny.js";

type Config = Partial<UNet2DModelConfig>;

export const sample = new Generator(1).randn([3, 3, 8, 8]);
export const target = new Generator(2).randn([3, 3, 8, 8]);
export const timesteps = [1, 500, 900];
export const create = (dtype: FloatType, device: string, config: Config = tiny) =>
  UNet2DModel.create(config, { device, dtype, generator: new Generator(0) });

/** Relative to the sum of all: single numbers of a gradient may be the difference of large ones. A gradient that is zero, as that of `to_k.bias`, is rounding alone: `least` is the sum that counts as much. */
export function relativeDifference(actual: Tensor, expected: Tensor, least = 1e-3): number {
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

/** How far off results may be. */
interface Tolerances {
  /** Of the largest number of the output. */
  output: number;
  /** Of the gradient of each parameter, see `relativeDifference`. */
  gradient: number;
  /** The sum of a gradient that is zero but for rounding, see there too. */
  zero?: number;
  /** As `gradient`, between a pass with checkpoints and one without. */
  checkpointed: number;
  /** Of the losses of twelve steps. */
  loss: number;
  /** Of pixels, whose values go to 255. */
  picture: number;
}

export function testAgainstFloat32(dtype: FloatType, device: string, tolerances: Tolerances): void {
  test.for(models)("%s", async ([, config]) => {
    const outputs: Tensor[] = [];
    const losses: number[] = [];
    const gradients: Record<string, Tensor>[] = [];
    const classLabels = config.numClassEmbeds ? { classLabels: [0, 1, 3] } : {};
    for (const format of [dtype, "float32"] as const) {
      using unet = await create(format, device, config);
      expect(unet.dtype).toBe(format);
      outputs.push(await unet.forward(sample, timesteps, classLabels));
      losses.push((await unet.backward({ sample, timesteps, target, ...classLabels })).loss);
      gradients.push(await unet.gradients());
    }
    const [half, full] = outputs as [Tensor, Tensor];
    const difference = maxDifference(half.data, full.data);
    expect(difference).toBeLessThan(tolerances.output * Math.max(1, ...full.data.map(Math.abs)));
    // Nothing would be different if it were calculated in float32 all the same.
    expect(difference).toBeGreaterThan(0);
    expect(Math.abs((losses[0] as number) / (losses[1] as number) - 1)).toBeLessThan(tolerances.loss);
    const [found = {}, expected = {}] = gradients;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name), tolerances.zero), name).toBeLessThan(
        tolerances.gradient,
      );
    }
  });

  test("gradient checkpointing finds the same gradients", async () => {
    const lists: Record<string, Tensor>[] = [];
    for (const checkpointing of [true, false]) {
      using unet = await create(dtype, device);
      if (checkpointing) await unet.enableGradientCheckpointing();
      await unet.backward({ sample, timesteps, target });
      lists.push(await unet.gradients());
    }
    const [found = {}, expected = {}] = lists;
    for (const name of Object.keys(expected)) {
      expect(relativeDifference(need(found, name), need(expected, name)), name).toBeLessThan(tolerances.checkpointed);
    }
  });

  test("a model learns as in float32", async () => {
    const runs: number[][] = [];
    for (const format of [dtype, "float32"] as const) {
      using unet = await create(format, device);
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
    expect(maxDifference(found, expected)).toBeLessThan(tolerances.loss);
    expect(found.at(-1)).toBeLessThan(0.95 * (found[0] as number));
  });

  test("a picture", async () => {
    const pictures: ArrayLike<number>[] = [];
    for (const format of [dtype, "float32"] as const) {
      using unet = await create(format, device);
      const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
      pictures.push((await pipeline.generate({ numInferenceSteps: 5, seed: 3 })).images[0]?.data ?? []);
    }
    const [found = [], expected = []] = pictures;
    expect(maxDifference(found, expected)).toBeLessThanOrEqual(tolerances.picture);
  });

  test("weights are saved and loaded as in float32", async () => {
    using unet = await create(dtype, device);
    const folder = new Map<string, Uint8Array>();
    await unet.savePretrained(folder);
    using again = await UNet2DModel.fromPretrained(folder, { device, dtype });
    expect(again.dtype).toBe(dtype);
    const [first, second] = [await unet.forward(sample, 10), await again.forward(sample, 10)];
    expect(maxDifference(first.data, second.data)).toBe(0);
  });
}
