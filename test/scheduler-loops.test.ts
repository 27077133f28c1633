/** Full loops with a closed-form model and the sums that diffusers' own tests assert (with more digits). */
import { DDIMScheduler, DDPMScheduler, Generator, type Scheduler, type Tensor } from "emberwing";
import { describe, expect, test } from "vitest";
import { expectClose, sumOfMagnitudes } from "./closeness.js";
import { schedulerClass } from "./scheduler-classes.js";

const shape = [4, 3, 8, 8];
const size = 768;

/** k/768 laid out as (3, 8, 8, 4), then with the last axis first. */
function dummy(value: (k: number) => number): Tensor {
  const data = Float32Array.from(
    { length: size },
    (_, i) => value((i % (size / 4)) * 4 + Math.floor(i / (size / 4))) / size,
  );
  return { data, shape };
}

const sample = dummy((k) => k);
const noise = dummy((k) => size - 1 - k);
const mapped = ({ data }: Tensor, f: (value: number, i: number) => number): Tensor => ({ data: data.map(f), shape });
const model = (x: Tensor, t: number) => mapped(x, (value) => (value * t) / (t + 1));

type Options = NonNullable<Parameters<Scheduler["step"]>[3]>;

function run(
  scheduler: Scheduler,
  start: Tensor,
  timesteps: readonly number[],
  options: (k: number) => Options,
): Tensor {
  let x = start;
  timesteps.forEach((t, k) => {
    x = scheduler.step(model(x, t), t, x, options(k)).prevSample;
  });
  return x;
}

describe("DDPM, all 1000 steps", () => {
  const generated = () => {
    const generator = new Generator(0);
    return () => ({ generator });
  };
  const zero = () => ({ noise: mapped(sample, () => 0) });

  test.each([
    ["epsilon", "seed 0", generated(), 258.9611],
    ["v_prediction", "seed 0", generated(), 202.0299],
    ["epsilon", "no noise", zero, 0.660943],
    ["v_prediction", "no noise", zero, 0.113224],
  ] as const)("%s, %s", (predictionType, _, options, expected) => {
    const scheduler = new DDPMScheduler({ predictionType });
    const result = run(scheduler, sample, scheduler.timesteps, options);
    expect(Math.abs(sumOfMagnitudes(result.data) - expected)).toBeLessThan(1e-3);
  });

  test("from a noisy image, the last two steps", () => {
    const scheduler = new DDPMScheduler();
    const timesteps = scheduler.timesteps.slice(998);
    const start = scheduler.addNoise(sample, noise, timesteps[0] as number);
    expect(sumOfMagnitudes(run(scheduler, start, timesteps, generated()).data)).toBeCloseTo(387.9466, 2);
  });
});

describe("DDIM, 10 steps", () => {
  test.each([
    ["epsilon", { predictionType: "epsilon" }, 172.0067],
    ["v_prediction", { predictionType: "v_prediction" }, 52.53021],
    ["set_alpha_to_one", { betaStart: 0.01, setAlphaToOne: true }, 149.8295],
    ["not set_alpha_to_one", { betaStart: 0.01, setAlphaToOne: false }, 149.0784],
  ] as const)("%s", (_, config, expected) => {
    const scheduler = new DDIMScheduler(config);
    scheduler.setTimesteps(10);
    const result = run(scheduler, sample, scheduler.timesteps, () => ({ eta: 0 }));
    expect(Math.abs(sumOfMagnitudes(result.data) - expected)).toBeLessThan(1e-3);
  });

  test("from a noisy image, the last two steps", () => {
    const scheduler = new DDIMScheduler();
    scheduler.setTimesteps(10);
    const timesteps = scheduler.timesteps.slice(8);
    const start = scheduler.addNoise(sample, noise, timesteps[0] as number);
    expect(sumOfMagnitudes(run(scheduler, start, timesteps, () => ({})).data)).toBeCloseTo(354.5418, 2);
  });
});

/** z[i] = sin(0.37·i + k) at step k: nothing random, so that any language can run it. */
const injected = (k: number) => ({ noise: mapped(sample, (_, i) => Math.sin(0.37 * i + k)) });
const spots = ({ data }: Tensor) =>
  [data[0], data[((1 * 3 + 1) * 8 + 2) * 8 + 3], data[((3 * 3 + 2) * 8 + 7) * 8 + 7]] as number[];

describe("DDPM with injected noise, 50 steps chosen", () => {
  test.each([
    ["leading", {}, 10, 336.2213, [0.504197, 0.130163, 0.432715]],
    ["fixed_small_log", { varianceType: "fixed_small_log" }, 10, 336.2213, [0.504197, 0.130163, 0.432715]],
    ["trailing", { timestepSpacing: "trailing" }, 10, 337.8262, [0.513831, 0.127539, 0.423778]],
    ["linspace", { timestepSpacing: "linspace" }, 10, 338.1673, [0.518919, 0.11964, 0.410703]],
    ["fixed_large", { varianceType: "fixed_large" }, 10, 336.3028, [0.504356, 0.130145, 0.432727]],
    ["scaled_linear", { betaSchedule: "scaled_linear" }, 10, 319.9383, [0.440392, 0.148945, 0.478036]],
    ["squaredcos_cap_v2", { betaSchedule: "squaredcos_cap_v2" }, 10, 285.5928, [0.496003, 0.164569, 0.35202]],
    ["sigmoid", { betaSchedule: "sigmoid" }, 10, 354.0032, [0.569712, 0.10288, 0.376943]],
    ["sample", { predictionType: "sample" }, 10, 339.9229, [0.498453, 0.141544, 0.459735]],
    ["v_prediction", { predictionType: "v_prediction" }, 10, 332.4258, [0.510085, 0.118031, 0.40422]],
    [
      "zero SNR",
      { rescaleBetasZeroSnr: true, timestepSpacing: "trailing", predictionType: "v_prediction" },
      10,
      336.461,
      [0.66682, 0.070076, 0.186387],
    ],
    [
      "trailing fixed_large, to the end",
      { timestepSpacing: "trailing", varianceType: "fixed_large" },
      50,
      44.0172,
      [-0.031019, -0.090227, -0.086387],
    ],
    [
      "squaredcos clipped, to the end",
      { betaSchedule: "squaredcos_cap_v2", clipSample: true },
      50,
      22.9495,
      [0.038155, 0.017401, 0.033889],
    ],
  ] as const)("%s", (_, config, steps, expected, expectedSpots) => {
    const scheduler = new DDPMScheduler({ clipSample: false, ...config });
    scheduler.setTimesteps(50);
    const start = mapped(sample, (value) => 2 * value - 1);
    const result = run(scheduler, start, scheduler.timesteps.slice(0, steps), injected);
    expect(Math.abs(sumOfMagnitudes(result.data) - expected)).toBeLessThan(2e-3);
    expectClose(spots(result), expectedSpots, 1e-5);
  });

  test.each([
    ["no clipping", { clipSample: false }, 135.1614],
    ["clipping at 1", {}, 134.7794],
    ["clipping at 2", { clipSampleRange: 2 }, 135.0667],
    ["thresholding up to 1.5", { thresholding: true, dynamicThresholdingRatio: 0.9, sampleMaxValue: 1.5 }, 134.6271],
    ["thresholding up to 0.5", { thresholding: true, dynamicThresholdingRatio: 0.9, sampleMaxValue: 0.5 }, 304.9561],
  ] as const)("a wide sample, %s", (_, config, expected) => {
    const scheduler = new DDPMScheduler({ predictionType: "sample", ...config });
    scheduler.setTimesteps(50);
    const start = mapped(sample, (value) => 8 * value - 4);
    const result = run(scheduler, start, scheduler.timesteps.slice(0, 40), injected);
    expect(Math.abs(sumOfMagnitudes(result.data) - expected)).toBeLessThan(2e-3);
  });
});

/** As a pipeline runs them, over the noise schedule of Stable Diffusion. The core's tests have the sums of other loops. */
describe("every kind of solver, scaled_linear from 0.00085 to 0.012", () => {
  const latent = { betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 };

  test.each<[string, object, number, number]>([
    ["EulerDiscreteScheduler", {}, 10, 178.7762],
    ["HeunDiscreteScheduler", {}, 10, 236.6375],
    ["LMSDiscreteScheduler", {}, 10, 198.5586],
    ["DPMSolverMultistepScheduler", {}, 10, 184.0657],
    ["DPMSolverMultistepScheduler", { useKarrasSigmas: true }, 20, 205.5888],
    ["UniPCMultistepScheduler", {}, 10, 184.6887],
    ["DDIMScheduler", {}, 10, 181.6139],
    ["EulerAncestralDiscreteScheduler", {}, 10, 248.8569],
    ["EulerDiscreteScheduler", { timestepSpacing: "leading", stepsOffset: 1, useKarrasSigmas: true }, 10, 181.9658],
    ["PNDMScheduler", { skipPrkSteps: true, stepsOffset: 1 }, 10, 201.3864],
    ["LCMScheduler", {}, 10, 197.7616],
  ])("%s %o, %i steps", (name, options, steps, expected) => {
    const scheduler = new (schedulerClass(name))({ ...latent, ...options });
    const generator = new Generator(0);
    scheduler.setTimesteps(steps);
    let x = mapped(sample, (value) => value * scheduler.initNoiseSigma);
    for (const t of scheduler.timesteps) {
      x = scheduler.step(model(scheduler.scaleModelInput(x, t), t), t, x, { generator }).prevSample;
    }
    expect(sumOfMagnitudes(x.data) / expected).toBeCloseTo(1, 5);
  });
});
