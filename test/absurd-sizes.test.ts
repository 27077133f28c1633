/** Requests that no machine can fulfil end as errors with the bytes asked for; the process lives on. */
import { DDPMPipeline, DDPMScheduler, Generator, loadDataset, UNet2DModel, type UNet2DModelConfig } from "emberwing";
import { expect, test } from "vitest";

const SMALL: Partial<UNet2DModelConfig> = {
  ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
  downBlockTypes: ["DownBlock2D", "DownBlock2D"],
  upBlockTypes: ["UpBlock2D", "UpBlock2D"],
};

const outOfMemory = (message: RegExp) =>
  expect.objectContaining({ code: "OutOfMemory", message: expect.stringMatching(message) });

test.each(["randn", "rand"] as const)("%s of 2^40 numbers", (draw) => {
  const generator = new Generator(0);
  expect(() => generator[draw]([2 ** 20, 2 ** 20])).toThrow(outOfMemory(/4398046511104 bytes/));
  expect(generator[draw]([2]).data).toEqual(new Generator(0)[draw]([2]).data);
});

test("integers and orders of 2^40 numbers", () => {
  const generator = new Generator(0);
  expect(() => generator.randint(0, 10, [2 ** 40])).toThrow(outOfMemory(/4398046511104 bytes/));
  expect(() => generator.randperm(2 ** 40)).toThrow(outOfMemory(/4398046511104 bytes/));
});

test("a model of a terabyte", async () => {
  const model = UNet2DModel.create({ ...SMALL, layersPerBlock: 1000, blockOutChannels: [16384, 16384] });
  await expect(model).rejects.toEqual(outOfMemory(/the weights of the model up to .*: \d{10,} bytes/));
});

test("a batch of a billion images", async () => {
  using unet = await UNet2DModel.create(SMALL, { generator: new Generator(1) });
  const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
  const images = pipeline.generate({ batchSize: 1e9, numInferenceSteps: 1, seed: 0 });
  await expect(images).rejects.toEqual(outOfMemory(/a batch of shape \[1000000000, 3, 8, 8\]: \d{10,} bytes/));
  expect((await pipeline.generate({ batchSize: 1, numInferenceSteps: 1, seed: 0 })).images).toHaveLength(1);
});

test("a data set of images with a million pixels a side", async () => {
  const dataset = loadDataset("butterflies", { size: 1, resolution: 1e6 });
  await expect(dataset).rejects.toEqual(outOfMemory(/resolution: .*: 15000000000000 bytes/));
});
