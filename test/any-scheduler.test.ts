/** What holds for every scheduler class, whatever its formulas. */
import {
  DDPMPipeline,
  type EmberwingError,
  Generator,
  imagesFromTensor,
  RePaintScheduler,
  type Scheduler,
  type Tensor,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";
import { schedulerClass, schedulerClasses } from "./scheduler-classes.js";

const names = Object.keys(schedulerClasses);
const made = (name: string): Scheduler => new (schedulerClass(name))();
const pipelineFolder = fixturePath("pipelines/ddpm");

/** A model that calls half of what it sees noise. */
const half = ({ data, shape }: Tensor): Tensor => ({ data: data.map((value) => 0.5 * value), shape });

const sample = new Generator(0).randn([1, 3, 4, 4]);
const generator = new Generator(0);

/** With what RePaint must know before its first step. */
function prepare(scheduler: Scheduler): void {
  if (scheduler instanceof RePaintScheduler) scheduler.setKnownPart(sample, half(sample));
}

/** A step at `t`, yet to be taken. */
function step(scheduler: Scheduler, t: number): () => unknown {
  prepare(scheduler);
  return () => scheduler.step(half(sample), t, sample, { generator });
}

test("are 28", () => {
  expect(names).toHaveLength(28);
});

describe.each(names)("%s", (name) => {
  test("has diffusers' name and steps that stay finite", () => {
    const scheduler = made(name);
    expect(schedulerClass(name).className).toBe(name);
    scheduler.setTimesteps(5);
    prepare(scheduler);
    let current = sample;
    for (const t of scheduler.timesteps) {
      const modelOutput = half(scheduler.scaleModelInput(current, t));
      current = scheduler.step(modelOutput, t, current, { generator }).prevSample;
    }
    expect(current.data.every(Number.isFinite)).toBe(true);
    expect(current.data).not.toEqual(sample.data);
  });

  const { numTrainTimesteps: train } = made(name).config as unknown as { numTrainTimesteps: number };
  const set = (...args: Parameters<Scheduler["setTimesteps"]>): (() => void) => {
    const scheduler = made(name);
    return () => scheduler.setTimesteps(...args);
  };
  const prepared = made(name);
  prepared.setTimesteps(5);

  test.each<[string, () => unknown, EmberwingError["code"], RegExp]>([
    ["no steps", set(0), "InvalidArgument", /numInferenceSteps: expected 1 to/],
    ["more steps than training had", set(train + 1), "InvalidArgument", /numInferenceSteps: expected 1 to/],
    ["neither steps nor timesteps", set({}), "InvalidArgument", /numInferenceSteps: expected a number of steps/],
    ["ascending timesteps", set({ timesteps: [1, 2] }), "InvalidArgument", /timesteps: expected/],
    ["repeated timesteps", set({ timesteps: [2, 2] }), "InvalidArgument", /timesteps: expected/],
    [
      "steps and timesteps",
      set(3, { timesteps: [2, 1] }),
      "InvalidArgument",
      /(numInferenceSteps|timesteps): expected/,
    ],
    ["a timestep that is not in the schedule", step(prepared, 3.21), "InvalidArgument", /timestep: expected/],
  ])("refuses %s", (_, act, code, message) => {
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ name: "EmberwingError", code }));
  });
});

// RePaint has a pipeline of its own: repaint.test.ts.
test.each(names.filter((name) => name !== "RePaintScheduler"))(
  "%s draws in a pipeline what it draws by hand",
  async (name) => {
    const pipeline = await DDPMPipeline.fromPretrained(pipelineFolder);
    using unet = pipeline.unet;
    pipeline.scheduler = schedulerClass(name).fromConfig(pipeline.scheduler.config);
    const { images } = await pipeline.generate({ numInferenceSteps: 4, seed: 5 });

    const { scheduler } = pipeline;
    const byHand = new Generator(5);
    scheduler.setTimesteps(4);
    let current = byHand.randn([1, 3, 16, 16]);
    current = { ...current, data: current.data.map((value) => value * scheduler.initNoiseSigma) };
    for (const t of scheduler.timesteps) {
      const modelOutput = await unet.forward(scheduler.scaleModelInput(current, t), t);
      current = scheduler.step(modelOutput, t, current, { generator: byHand }).prevSample;
    }
    expect(images).toEqual(imagesFromTensor(current));
  },
);

/** As in diffusers, every training timestep is a step of these already before `setTimesteps`. */
const runUnprepared = ["DDPMScheduler", "UnCLIPScheduler"];

test.each(names.filter((name) => !runUnprepared.includes(name)))("%s refuses a step before setTimesteps", (name) => {
  const scheduler = made(name);
  const act = step(scheduler, scheduler.timesteps[0] ?? 0);
  expect(act).toThrow(/timestep: expected a call of setTimesteps before the first step/);
  expect(act).toThrow(expect.objectContaining({ name: "EmberwingError", code: "InvalidArgument" }));
});

test.each(runUnprepared)("%s takes any training timestep before setTimesteps", (name) => {
  expect(step(made(name), 500)()).toHaveProperty("prevSample");
});
