/** Runs whose rounded timesteps repeat or whose last step is degenerate, and numbers that are none on every way out. */
import {
  DDPMPipeline,
  DDPMScheduler,
  Generator,
  type Image,
  imagesFromTensor,
  type Scheduler,
  type Tensor,
  UNet2DModel,
  UniPCMultistepScheduler,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath, formatSafetensors } from "./fixtures.js";
import { schedulerClass } from "./scheduler-classes.js";

const folder = fixturePath("pipelines/ddpm");
const cosine = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });

/** A pipeline with the model of the fixtures, on a schedule that `npm start` trains with. */
async function pipelineOn(name: string, options: object): Promise<DDPMPipeline> {
  const { unet } = await DDPMPipeline.fromPretrained(folder);
  return new DDPMPipeline({ unet, scheduler: schedulerClass(name).fromConfig(cosine.config, options) });
}

async function byHand(unet: UNet2DModel, scheduler: Scheduler, steps: number): Promise<Image[]> {
  const generator = new Generator(5);
  scheduler.setTimesteps(steps);
  let current = generator.randn([1, 3, 16, 16]);
  current = { ...current, data: current.data.map((value) => value * scheduler.initNoiseSigma) };
  for (const t of scheduler.timesteps) {
    const modelOutput = await unet.forward(scheduler.scaleModelInput(current, t), t);
    current = scheduler.step(modelOutput, t, current, { generator }).prevSample;
  }
  return imagesFromTensor(current);
}

const levels = ([image]: Image[]): number => new Set(image?.data).size;

test.each<[string, object, number]>([
  ["DPMSolverMultistepScheduler", { useKarrasSigmas: true }, 20],
  ["DPMSolverMultistepScheduler", { useKarrasSigmas: true, algorithmType: "sde-dpmsolver++", solverOrder: 3 }, 4],
  ["DPMSolverMultistepScheduler", { useBetaSigmas: true }, 3],
  ["DPMSolverSinglestepScheduler", { useKarrasSigmas: true }, 8],
  ["UniPCMultistepScheduler", { useExponentialSigmas: true }, 8],
  ["UniPCMultistepScheduler", { predictX0: false }, 5],
  ["DEISMultistepScheduler", { useKarrasSigmas: true }, 8],
  ["SASolverScheduler", { useKarrasSigmas: true }, 8],
  ["KDPM2DiscreteScheduler", { useKarrasSigmas: true }, 8],
  ["KDPM2AncestralDiscreteScheduler", {}, 4],
  ["KDPM2AncestralDiscreteScheduler", { useBetaSigmas: true }, 6],
  ["EulerAncestralDiscreteScheduler", { predictionType: "v_prediction" }, 4],
  ["DPMSolverSDEScheduler", { predictionType: "v_prediction" }, 4],
])("%s %o, %i steps on the cosine schedule", async (name, options, steps) => {
  const pipeline = await pipelineOn(name, options);
  using unet = pipeline.unet;
  const { images } = await pipeline.generate({ numInferenceSteps: steps, seed: 5 });
  expect(levels(images)).toBeGreaterThan(1);
  expect(await byHand(unet, pipeline.scheduler, steps)).toEqual(images);
});

test("a last step to σ = 0 in terms of the noise leads to the estimate of x_0", () => {
  const scheduler = new UniPCMultistepScheduler({ predictX0: false });
  scheduler.setTimesteps(1);
  const sample = new Generator(0).randn([1, 3, 4, 4]);
  const epsilon = new Generator(1).randn([1, 3, 4, 4]);
  const { prevSample } = scheduler.step(epsilon, scheduler.timesteps[0] as number, sample);
  const [alphaProd] = scheduler.alphasCumprod.slice(-1) as unknown as [number];
  const original = sample.data.map(
    (x, i) => (x - Math.sqrt(1 - alphaProd) * (epsilon.data[i] ?? 0)) / Math.sqrt(alphaProd),
  );
  prevSample.data.forEach((x, i) => {
    expect(Math.abs(x / (original[i] as number) - 1)).toBeLessThan(1e-3);
  });
});

describe("a number that is none", () => {
  const notFinite = (message: RegExp) =>
    expect.objectContaining({ name: "EmberwingError", code: "NotFinite", message: expect.stringMatching(message) });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("%d is no colour", (bad) => {
    const tensor: Tensor = { data: new Float32Array(2 * 3 * 4).fill(0).with(17, bad), shape: [2, 3, 2, 2] };
    expect(() => imagesFromTensor(tensor)).toThrow(notFinite(/tensor: expected finite numbers, got (NaN|-?inf)/));
  });

  /** The model of the fixtures with one weight that is `bad`. */
  async function broken(bad: number): Promise<UNet2DModel> {
    const { unet } = await DDPMPipeline.fromPretrained(folder);
    using whole = unet;
    const weights = await whole.parameters();
    const bias = weights["conv_out.bias"] as Tensor;
    weights["conv_out.bias"] = { ...bias, data: bias.data.with(1, bad) };
    const files = new Map<string, Uint8Array>();
    await whole.savePretrained(files);
    files.set("diffusion_pytorch_model.safetensors", formatSafetensors(weights));
    return UNet2DModel.fromPretrained(files);
  }

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("a weight of %d is an error of every output", async (bad) => {
    using unet = await broken(bad);
    const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
    for (const outputType of ["image", "tensor"] as const) {
      const run = { numInferenceSteps: 2, seed: 0, outputType } as const;
      await expect(pipeline.generate(run as { numInferenceSteps: number })).rejects.toThrow(
        notFinite(/modelOutput: expected finite numbers, got (NaN|inf)/),
      );
    }
    const sample = new Generator(0).randn([1, 3, 16, 16]);
    await expect(unet.forward(sample, 1)).rejects.toThrow(notFinite(/prediction: expected finite numbers/));
    await expect(unet.forward(sample, 1, { track: true })).rejects.toThrow(
      notFinite(/prediction: expected finite numbers/),
    );
  });
});
