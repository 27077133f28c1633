/** Runs that start from a picture: `setBeginIndex` in every class, and `generate({ image, strength })`. */
import {
  DDIMInverseScheduler,
  DDIMPipeline,
  DDIMScheduler,
  DDPMPipeline,
  type EmberwingError,
  EulerDiscreteScheduler,
  Generator,
  HeunDiscreteScheduler,
  type Image,
  imagesFromTensor,
  PNDMScheduler,
  type Scheduler,
  type StepProgress,
  type Tensor,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { expectTensorClose, maxDifference, scaledTolerance } from "./closeness.js";
import { fixturePath, need, readJson, readTensors } from "./fixtures.js";
import { goldenModel } from "./golden-model.js";
import { camelCase, schedulerClass, schedulerClasses } from "./scheduler-classes.js";

const ddpmFolder = fixturePath("pipelines/ddpm");

/** Where diffusers' image-to-image pipelines begin. */
const beginIndex = (scheduler: Scheduler, steps: number, strength: number): number =>
  (steps - Math.floor(steps * strength)) * scheduler.order;

describe("a loop by hand is diffusers'", () => {
  const golden = readTensors("samplers/from_image.safetensors");
  const index = readJson<{
    num_inference_steps: number;
    strength: number;
    seed: number;
    cases: { scheduler: string; options: Record<string, unknown> }[];
  }>("samplers/from_image.json");

  test.each(index.cases.map((one, number) => ({ ...one, number })))(
    "$scheduler $options",
    ({ scheduler: name, options, number }) => {
      const scheduler = new (schedulerClass(name))(camelCase(options));
      const generator = new Generator(index.seed);
      const image = need(golden, "image");
      scheduler.setTimesteps(index.num_inference_steps);
      const begin = beginIndex(scheduler, index.num_inference_steps, index.strength);
      scheduler.setBeginIndex(begin);
      const timesteps = scheduler.timesteps.slice(begin);
      let sample = scheduler.addNoise(image, generator.randn(image.shape), timesteps[0] as number);
      const start = need(golden, `${number}.start`);
      expectTensorClose(sample, start, scaledTolerance(2e-6, start), "start");
      for (const t of timesteps) {
        const modelOutput = goldenModel(scheduler.scaleModelInput(sample, t), t, scheduler);
        sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
      }
      const end = need(golden, `${number}.end`);
      expectTensorClose(sample, end, scaledTolerance(1e-4, end), "end");
    },
  );
});

describe("generate", () => {
  const golden = readTensors("samplers/pipelines.safetensors");
  const {
    seed,
    num_inference_steps: numInferenceSteps,
    strength,
  } = readJson<{
    seed: number;
    num_inference_steps: number;
    strength: number;
  }>("samplers/pipelines.json");
  const image = need(golden, "image");
  const run = { image, strength, seed, numInferenceSteps };

  test.each(["DDPMScheduler", "DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"])(
    "gives diffusers' pictures with %s",
    async (name) => {
      const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
      pipeline.scheduler = schedulerClass(name).fromConfig(pipeline.scheduler.config);
      const { images } = await pipeline.generate({ ...run, outputType: "tensor" });
      expectTensorClose(images, need(golden, `from_image.${name}`), 1e-3);
    },
  );

  test("takes pictures, one for all or one each, and reports the steps that are done", async () => {
    const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
    const pictures = imagesFromTensor(image) as [Image, Image];
    const steps: StepProgress[] = [];
    const options = { strength: 0.5, numInferenceSteps: 4, seed: 1 };
    const both = await pipeline.generate({ ...options, image: pictures, onStep: (step) => steps.push(step) });
    expect(both.images).toHaveLength(2);
    expect(steps).toEqual([
      { step: 1, timestep: 250, total: 2 },
      { step: 2, timestep: 0, total: 2 },
    ]);
    const repeated = await pipeline.generate({ ...options, image: pictures[0], batchSize: 3 });
    expect(repeated.images).toHaveLength(3);
    expect(repeated.images[1]).not.toEqual(repeated.images[0]);
  });

  test("little strength leaves the picture nearly as it is", async () => {
    const pipeline = new DDIMPipeline(await DDPMPipeline.fromPretrained(ddpmFolder));
    const pictures = imagesFromTensor(image);
    const changed = async (strength: number): Promise<number> => {
      const { images } = await pipeline.generate({ image: pictures, strength, numInferenceSteps: 100, seed: 0 });
      return maxDifference(images[0]?.data ?? [], pictures[0]?.data ?? []);
    };
    expect(await changed(0.01)).toBeLessThan(20);
    expect(await changed(0.9)).toBeGreaterThan(100);
  });

  const backwards = ["DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler"];
  const whole = ["ScoreSdeVeScheduler", "RePaintScheduler", "PNDMScheduler", ...backwards];

  test.each(Object.keys(schedulerClasses).filter((name) => !whole.includes(name)))(
    "draws what the loop by hand draws: %s",
    async (name) => {
      const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
      using unet = pipeline.unet;
      pipeline.scheduler = schedulerClass(name).fromConfig(pipeline.scheduler.config);
      const { images } = await pipeline.generate({ image, strength: 0.6, numInferenceSteps: 5, seed: 5 });

      const { scheduler } = pipeline;
      const generator = new Generator(5);
      scheduler.setTimesteps(5);
      const begin = beginIndex(scheduler, 5, 0.6);
      scheduler.setBeginIndex(begin);
      const timesteps = scheduler.timesteps.slice(begin);
      let sample = scheduler.addNoise(image, generator.randn(image.shape), timesteps[0] as number);
      for (const t of timesteps) {
        const modelOutput = await unet.forward(scheduler.scaleModelInput(sample, t), t);
        sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
      }
      expect(images).toEqual(imagesFromTensor(sample));
    },
  );

  test.each(whole)("%s says that its run cannot begin with a picture", async (name) => {
    const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
    pipeline.scheduler = schedulerClass(name).fromConfig(pipeline.scheduler.config);
    const generating = pipeline.generate({ ...run, numInferenceSteps: 5 });
    await expect(generating).rejects.toThrow(new RegExp(`^${name} .*cannot start from a picture`));
    await expect(generating).rejects.toMatchObject({ name: "EmberwingError", code: "Unsupported" });
  });

  const picture = (size: number): Image => imagesFromTensor(new Generator(0).randn([3, size, size]))[0] as Image;
  test.each<[string, object, EmberwingError["code"], RegExp]>([
    ["strength without a picture", { strength: 0.5 }, "InvalidArgument", /strength: expected an image beside it/],
    ["strength 0", { image, strength: 0 }, "InvalidArgument", /strength: expected a number above 0, at most 1/],
    ["strength above 1", { image, strength: 1.1 }, "InvalidArgument", /strength.*1\.1/],
    [
      "too little strength for a step",
      { image, strength: 0.05, numInferenceSteps: 10 },
      "InvalidArgument",
      /strength: expected at least 1\/10/,
    ],
    ["text", { image: "cat.png" }, "InvalidArgument", /image: expected an Image, File.*an array of them or a tensor/],
    ["no pictures", { image: [] }, "InvalidArgument", /image: expected an Image/],
    ["a tensor without a batch", { image: new Generator(0).randn([3, 16, 16]) }, "ShapeMismatch", /image.*\[batch/],
    ["pictures of two sizes", { image: [picture(8), picture(16)] }, "InvalidArgument", /image: expected.*8×8/],
    ["other channels", { image: new Generator(0).randn([1, 1, 16, 16]) }, "ShapeMismatch", /sample.*3/],
    ["more pictures than batchSize", { image, batchSize: 3 }, "InvalidArgument", /batchSize: expected 2/],
  ])("refuses %s", async (_, options, code, message) => {
    const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
    const generating = pipeline.generate({ numInferenceSteps: 5, ...options });
    await expect(generating).rejects.toThrow(message);
    await expect(generating).rejects.toMatchObject({ name: "EmberwingError", code });
  });
});

describe("setBeginIndex", () => {
  test.each<[string, Scheduler, number, RegExp]>([
    ["past the end", new EulerDiscreteScheduler(), 5, /beginIndex: expected a multiple of 1 \(order\) below 5.*got 5/],
    ["between the halves of a step", new HeunDiscreteScheduler(), 3, /multiple of 2/],
    ["a fraction", new EulerDiscreteScheduler(), 0.5, /index.*0\.5/],
  ])("refuses %s", (_, scheduler, index, message) => {
    scheduler.setTimesteps(5);
    expect(() => scheduler.setBeginIndex(index)).toThrow(message);
  });

  test("PNDM begins anywhere once it skips the Runge-Kutta steps", () => {
    const scheduler = new PNDMScheduler({ skipPrkSteps: true });
    scheduler.setTimesteps(10);
    scheduler.setBeginIndex(4);
    const sample = new Generator(0).randn([1, 3, 4, 4]);
    const t = scheduler.timesteps[4] as number;
    expect(scheduler.step(sample, t, sample).prevSample.shape).toEqual(sample.shape);
  });
});

/**
 * DDIM and its inverse solve one equation in opposite directions, each with the model at the noisier end of a step: what
 * is left apart after both is the steps' error, which falls as they become shorter.
 */
describe("DDIM inversion", () => {
  const picture = need(readTensors("samplers/pipelines.safetensors"), "image");
  const inverse = new DDIMInverseScheduler({ clipSample: false });
  const forward = new DDIMScheduler({ clipSample: false });

  /** The best model of values that are normal with deviation ½: what noise is in x on average. */
  function model({ data, shape }: Tensor, t: number): Tensor {
    const share = forward.alphasCumprod[t] as number;
    const scale = Math.sqrt(1 - share) / (0.25 * share + 1 - share);
    return { data: data.map((x) => scale * x), shape };
  }

  function through(solver: Scheduler, steps: number, start: Tensor): Tensor {
    solver.setTimesteps(steps);
    return solver.timesteps.reduce((sample, t) => solver.step(model(sample, t), t, sample).prevSample, start);
  }

  test.each([
    [10, 0.3],
    [50, 0.06],
    [250, 0.012],
  ])("with %i steps gives the picture back within %f", (steps, tolerance) => {
    const noise = through(inverse, steps, picture);
    // Values of deviation ½ (the picture's have 0.58) are stretched to deviation 1.
    expect(noise.data.reduce((sum, x) => sum + x * x, 0) / noise.data.length).toBeGreaterThan(0.9);
    expectTensorClose(through(forward, steps, noise), picture, tolerance);
  });
});
