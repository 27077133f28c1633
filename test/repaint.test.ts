/** Inpainting with an unconditional model. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DDPMPipeline,
  DDPMScheduler,
  DiffusionPipeline,
  type EmberwingError,
  Generator,
  Image,
  imagesFromTensor,
  RePaintPipeline,
  RePaintScheduler,
  type StepProgress,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { expectTensorClose, maxDifference } from "./closeness.js";
import { fixturePath, need, readJson, readTensors } from "./fixtures.js";

const golden = readTensors("samplers/pipelines.safetensors");
const { seed, repaint } = readJson<{
  seed: number;
  repaint: { num_inference_steps: number; jump_length: number; jump_n_sample: number };
}>("samplers/pipelines.json");
const run = {
  numInferenceSteps: repaint.num_inference_steps,
  jumpLength: repaint.jump_length,
  jumpNSample: repaint.jump_n_sample,
  seed,
};
const [image, maskImage] = [need(golden, "image"), need(golden, "mask")];
const load = () => RePaintPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
const picture = async (name: string) => Image.decode(await readFile(fixturePath(`samplers/${name}.png`)));

describe("RePaintPipeline", () => {
  test.each([
    ["repaint", {}],
    ["repaint.eta", { eta: 0.7 }],
  ])("gives diffusers' pictures: %s", async (name, options) => {
    const { images } = await (await load()).generate({ ...run, ...options, image, maskImage, outputType: "tensor" });
    expectTensorClose(images, need(golden, name), 1e-3);
  });

  test("reads pictures as diffusers does: colours of a mask by their luma, cut at the middle", async () => {
    const { images } = await (await load()).generate({
      ...run,
      image: await picture("picture"),
      maskImage: await picture("mask"),
    });
    expect(images).toHaveLength(1);
    expect(maxDifference(images[0]?.data ?? [], (await picture("repainted")).data)).toBeLessThanOrEqual(1);
  });

  test("keeps what the mask keeps", async () => {
    const { images } = await (await load()).generate({ ...run, image, maskImage });
    for (const [index, original] of imagesFromTensor(image).entries()) {
      const painted = images[index] as Image;
      const kept = original.data.filter((_, i) => maskImage.data[Math.floor(i / 3)] === 1);
      expect(
        maxDifference(
          painted.data.filter((_, i) => maskImage.data[Math.floor(i / 3)] === 1),
          kept,
        ),
      ).toBeLessThanOrEqual(1);
      expect(maxDifference(painted.data, original.data)).toBeGreaterThan(20);
    }
  });

  test("draws what the loop by hand draws", async () => {
    const pipeline = await load();
    using unet = pipeline.unet;
    const { images } = await pipeline.generate({ ...run, image, maskImage });
    const { scheduler } = pipeline;
    const generator = new Generator(seed);
    const { numInferenceSteps, jumpLength, jumpNSample } = run;
    scheduler.setTimesteps(numInferenceSteps, { jumpLength, jumpNSample });
    scheduler.setKnownPart(image, maskImage);
    let sample = generator.randn(image.shape);
    let predictions = 0;
    for (const t of scheduler.timesteps) {
      const asks = scheduler.usesModelOutput(t);
      predictions += Number(asks);
      const modelOutput = asks ? await unet.forward(sample, t) : sample;
      sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
    }
    expect(images).toEqual(imagesFromTensor(sample));
    expect(predictions).toBeLessThan(scheduler.timesteps.length);
  });

  test("repeats one picture, and reports its steps", async () => {
    const steps: StepProgress[] = [];
    const { images } = await (await load()).generate({
      ...run,
      image: imagesFromTensor(image)[0] as Image,
      maskImage,
      batchSize: 2,
      onStep: (step) => steps.push(step),
    });
    expect(images).toHaveLength(2);
    expect(images[0]).not.toEqual(images[1]);
    expect(steps.at(-1)).toMatchObject({ timestep: 0, step: steps.length, total: steps.length });
  });

  test("saves as diffusers does and loads again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "emberwing-"));
    await (await load()).savePretrained(folder);
    expect(JSON.parse(await readFile(join(folder, "model_index.json"), "utf8"))).toMatchObject({
      _class_name: "RePaintPipeline",
      scheduler: ["diffusers", "RePaintScheduler"],
    });
    expect(await DiffusionPipeline.fromPretrained(folder)).toBeInstanceOf(RePaintPipeline);
  });

  test("heeds what the model predicts, which the scheduler that it was made from says", async () => {
    const { unet, scheduler } = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
    const paint = async (predictionType: "epsilon" | "v_prediction"): Promise<Image[]> => {
      const trained = DDPMScheduler.fromConfig(scheduler.config, { predictionType });
      return (await new RePaintPipeline({ unet, scheduler: trained }).generate({ ...run, image, maskImage })).images;
    };
    expect(await paint("v_prediction")).not.toEqual(await paint("epsilon"));
  });

  test.each<[string, object, EmberwingError["code"], RegExp]>([
    ["no mask", { image, maskImage: undefined }, "InvalidArgument", /maskImage: expected an Image/],
    [
      "a mask of another size",
      { maskImage: new Generator(0).randn([1, 1, 8, 8]) },
      "ShapeMismatch",
      /mask.*\[1, 1, 8, 8\]/,
    ],
    ["a mask for three pictures", { maskImage: new Generator(0).randn([3, 1, 16, 16]) }, "ShapeMismatch", /mask/],
    ["no steps", { numInferenceSteps: 0 }, "InvalidArgument", /numInferenceSteps: expected 1 to 1000/],
    ["jumps of no length", { jumpLength: 0 }, "InvalidArgument", /jumpLength: expected at least 1/],
    ["eta above 1", { eta: 2 }, "InvalidConfig", /eta: expected a number from 0 to 1/],
    ["a misspelt option", { mask: maskImage }, "InvalidConfig", /mask.*maskImage/],
    ["an unknown output", { outputType: "np" }, "InvalidArgument", /outputType/],
  ])("refuses %s", async (_, options, code, message) => {
    const painting = (await load()).generate({ ...run, image, maskImage, ...options });
    await expect(painting).rejects.toThrow(message);
    await expect(painting).rejects.toMatchObject({ name: "EmberwingError", code });
  });

  test("a scheduler of it in another pipeline is told apart", async () => {
    const pipeline = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
    pipeline.scheduler = RePaintScheduler.fromConfig(pipeline.scheduler);
    await expect(pipeline.generate({ numInferenceSteps: 4 })).rejects.toThrow(/image: expected.*RePaintPipeline/);
  });
});
