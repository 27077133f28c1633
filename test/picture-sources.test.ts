/** Pictures as pages have them: the same pixels whatever they come in. */
import { type DDPMPipeline, DiffusionPipeline, Image, loadDataset, type PictureSource } from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

/** A colour, the same half transparent, and something invisible. */
const rgba = { data: Uint8ClampedArray.of(200, 100, 50, 255, 200, 100, 50, 128, 9, 9, 9, 0), width: 3, height: 1 };

describe("Image.from", () => {
  test("lays the pixels of a canvas on white", async () => {
    const image = await Image.from(rgba);
    expect([image.width, image.height, image.channels]).toEqual([3, 1, 3]);
    expect([...image.data.slice(0, 3)]).toEqual([200, 100, 50]);
    // opacity 128/255 over 255, give or take the rounding
    [227, 177, 152].forEach((value, channel) => {
      expect(Math.abs((image.data[3 + channel] as number) - value)).toBeLessThanOrEqual(1);
    });
    expect([...image.data.slice(6)]).toEqual([255, 255, 255]);
  });

  test("takes rows from the top, and gives back what toImageData said", async () => {
    const image = new Image(
      Uint8Array.from({ length: 4 * 3 * 3 }, (_, i) => 7 * i),
      3,
      4,
      3,
    );
    expect(await Image.from(image.toImageData())).toEqual(image);
  });

  test("decodes files, blobs and bytes", async () => {
    const image = new Image(Uint8Array.from([1, 2, 3, 4, 5, 6]), 2, 1, 3);
    const png = image.toPNG().slice();
    for (const source of [png, new Blob([png]), new File([png], "two.png")]) {
      expect(await Image.from(source)).toEqual(image);
    }
    await expect(Image.from(new File(["x"], "bad.png"))).rejects.toMatchObject({
      code: "InvalidImage",
      message: expect.stringContaining("bad.png"),
    });
  });

  test.each<[string, unknown]>([
    ["a path", "picture.png"],
    ["pixels that do not fill the picture", { ...rgba, height: 2 }],
    ["nothing", undefined],
  ])("refuses %s", async (_, source) => {
    await expect(Image.from(source as PictureSource)).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringMatching(/source: expected a picture \(File/),
    });
  });
});

test("a data set takes pixels beside files", async () => {
  const image = await Image.from(rgba);
  const dataset = await loadDataset([rgba, new Blob([image.toPNG().slice()])], { resolution: [1, 3] });
  expect(await dataset.item(0)).toEqual(await dataset.item(1));
});

describe("generate", () => {
  let pipeline: DDPMPipeline;
  beforeAll(async () => {
    pipeline = (await DiffusionPipeline.fromPretrained(fixturePath("pipelines/ddpm"))) as DDPMPipeline;
  });

  test("starts from pixels and files as from an Image", async () => {
    const size = pipeline.unet.config.sampleSize as number;
    const image = new Image(
      Uint8Array.from({ length: size * size * 3 }, (_, i) => i),
      size,
      size,
      3,
    );
    const paint = async (input: Image | PictureSource) =>
      (await pipeline.generate({ image: input, strength: 0.5, numInferenceSteps: 4, seed: 1 })).images;
    const expected = await paint(image);
    expect(await paint(image.toImageData())).toEqual(expected);
    expect(await paint(new Blob([image.toPNG().slice()]))).toEqual(expected);
  });
});
