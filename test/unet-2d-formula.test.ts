/** Models with formula weights against the numbers that diffusers gave for them. */
import { AdamW, DDPMScheduler, Generator, type UNet2DModelConfig } from "emberwing";
import { describe, expect, test } from "vitest";
import { expectClose, sum, sumOfMagnitudes } from "./closeness.js";
import { filled, formulaModel, u } from "./formula-weights.js";

interface Golden {
  config: Partial<UNet2DModelConfig>;
  shape: number[];
  classLabels?: number[];
  parameters: number;
  mean: number;
  meanMagnitude: number;
  first: number[];
  last: number[];
}

const course: Partial<UNet2DModelConfig> = {
  sampleSize: 32,
  layersPerBlock: 2,
  blockOutChannels: [64, 128, 128, 256],
  downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
};

const small: Partial<UNet2DModelConfig> = {
  sampleSize: 32,
  blockOutChannels: [4, 8],
  normNumGroups: 2,
  attentionHeadDim: 3,
  layersPerBlock: 2,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
};

const goldens: Record<string, Golden> = {
  "the course's model": {
    config: course,
    shape: [2, 3, 32, 32],
    parameters: 18_536_323,
    mean: 0.017974,
    meanMagnitude: 0.1790484,
    first: [-0.150311, -0.112761, -0.24441, -0.082445, 0.048321],
    last: [0.136908, -0.0186, 0.131511],
  },
  "diffusers' test model": {
    config: small,
    shape: [2, 3, 32, 32],
    parameters: 16_303,
    mean: 0.0357909,
    meanMagnitude: 0.312236,
    first: [-0.005979, -0.236954, 0.149201, -0.157372, 0.059348],
    last: [0.234442, -0.267372, 0.103792],
  },
  "the style of old hub models": {
    config: {
      sampleSize: 32,
      blockOutChannels: [32, 64, 64],
      attentionHeadDim: null,
      downsamplePadding: 0,
      freqShift: 1,
      flipSinToCos: false,
      normEps: 1e-6,
      downBlockTypes: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
      upBlockTypes: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    },
    shape: [2, 3, 32, 32],
    parameters: 1_624_323,
    mean: 0.0078381,
    meanMagnitude: 1.2932413,
    first: [0.486331, -0.985852, 0.407753, -0.159753, -0.821631],
    last: [-0.222502, -0.409048, 0.57632],
  },
  "scale-shift, classes, resampling resnets": {
    config: {
      sampleSize: 16,
      layersPerBlock: 1,
      blockOutChannels: [32, 64],
      resnetTimeScaleShift: "scale_shift",
      downsampleType: "resnet",
      upsampleType: "resnet",
      numClassEmbeds: 5,
      attentionHeadDim: 16,
      midBlockScaleFactor: Math.SQRT2,
      centerInputSample: true,
      downBlockTypes: ["ResnetDownsampleBlock2D", "AttnDownBlock2D"],
      upBlockTypes: ["AttnUpBlock2D", "ResnetUpsampleBlock2D"],
    },
    shape: [2, 3, 16, 16],
    classLabels: [1, 3],
    parameters: 828_003,
    mean: 0.0351177,
    meanMagnitude: 0.4463979,
    first: [0.075039, -0.038313, -0.179773, 0.061033, 0.876707],
    last: [0.179648, 0.925591, -0.75982],
  },
  "grey, the course's second notebook": {
    config: {
      sampleSize: 28,
      inChannels: 1,
      outChannels: 1,
      layersPerBlock: 2,
      blockOutChannels: [32, 64, 64],
      downBlockTypes: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
      upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    },
    shape: [2, 1, 28, 28],
    parameters: 1_707_009,
    mean: -0.052549,
    meanMagnitude: 0.2866324,
    first: [0.336589, -0.676494, 0.235932, 0.286043, -0.324222],
    last: [0.026795, -0.126931, 0.093077],
  },
};

test("the running hash is the formula", () => {
  const { data } = filled(3, [50]);
  expectClose(
    data,
    Array.from({ length: 50 }, (_, i) => 2 * u(3, i) - 1),
    1e-7,
  );
});

test.each(Object.entries(goldens))("%s", async (_, golden) => {
  using unet = await formulaModel(golden.config, new Generator(0));
  expect(unet.countParameters()).toBe(golden.parameters);
  const { data } = await unet.forward(filled(999, golden.shape), [10, 700], { classLabels: golden.classLabels });
  expectClose(data.slice(0, 5), golden.first, 1e-4);
  expectClose(data.slice(-3), golden.last, 1e-4);
  expect(Math.abs(sum(data) / data.length - golden.mean)).toBeLessThan(1e-5);
  expect(Math.abs(sumOfMagnitudes(data) / data.length - golden.meanMagnitude)).toBeLessThan(1e-5);
});

describe("eight steps of AdamW", () => {
  const clean = filled(1, [4, 3, 32, 32]);
  const noise = filled(2, [4, 3, 32, 32], (x) => Math.sqrt(3) * (2 * x - 1));
  const timesteps = [3, 250, 600, 999];

  test.each([
    [
      "diffusers' test model",
      small,
      4.456494,
      1.970481,
      [1.2387559, 1.1420437, 1.0987504, 1.0672045, 1.0389234, 1.0158824, 0.9956884, 0.9784537],
    ],
    [
      "the course's model",
      course,
      6.263523,
      0.473939,
      [1.0468066, 0.9915419, 0.9482371, 0.8917491, 0.8515742, 0.8185377, 0.7520013, 0.6722133],
    ],
  ])("%s", { timeout: 300_000 }, async (_, config, norm, convInNorm, losses) => {
    const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
    const noisy = scheduler.addNoise(clean, noise, timesteps);
    using unet = await formulaModel(config, new Generator(0));
    using optimizer = new AdamW(unet, { learningRate: 4e-4 });
    for (const [step, expected] of losses.entries()) {
      const { loss } = await unet.backward({ sample: noisy, timesteps, target: noise });
      expect(Math.abs(loss - expected), `loss ${step}`).toBeLessThan(1e-3);
      if (step === 0) {
        const gradients = await unet.gradients();
        const squares = Object.entries(gradients).map(
          ([name, { data }]) => [name, sum(data.map((x) => x * x))] as const,
        );
        expect(Math.sqrt(sum(squares.map(([, square]) => square)))).toBeCloseTo(norm, 3);
        expect(Math.sqrt(Object.fromEntries(squares)["conv_in.weight"] as number)).toBeCloseTo(convInNorm, 4);
      }
      await optimizer.step();
      await optimizer.zeroGrad();
    }
  });
});
