/** What only pages have: bitmaps, canvases, directories of their own, addresses. */
import { DDPMPipeline, Image, loadDataset, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { root } from "./page-files.js";

const colours = (width: number, height: number) =>
  new Image(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => (5 * i) % 256),
    width,
    height,
    3,
  );
const fixture = (path: string) => new URL(`/test/fixtures/${path}`, location.href);
const paint = async (pipeline: DDPMPipeline) => (await pipeline.generate({ numInferenceSteps: 2, seed: 3 })).images;

test("a picture goes to a canvas and comes back by pixels and by bitmap", async () => {
  const image = colours(5, 3);
  const canvas = document.createElement("canvas");
  image.drawOn(canvas);
  expect([canvas.width, canvas.height]).toEqual([5, 3]);
  const pixels = canvas.getContext("2d")?.getImageData(0, 0, 5, 3) as ImageData;
  expect(await Image.from(pixels)).toEqual(image);
  expect(await Image.from(await createImageBitmap(pixels))).toEqual(image);
  const offscreen = new OffscreenCanvas(1, 1);
  image.drawOn(offscreen);
  expect(offscreen.width).toBe(5);
});

test("a picture and a data set come from addresses", async () => {
  const address = fixture("images/rgb.png");
  const image = await Image.from(address);
  const dataset = await loadDataset([address, image.toImageData()], { resolution: 8 });
  expect(await dataset.item(0)).toEqual(await dataset.item(1));
  await expect(Image.from(fixture("images/none.png"))).rejects.toMatchObject({
    code: expect.stringMatching(/MissingFile|InvalidImage/),
  });
  await expect(Image.from(new URL("http://127.0.0.1:1/none.png"))).rejects.toMatchObject({ code: "InvalidFile" });
});

test("a data set comes from a Parquet file that was picked", async () => {
  const content = await (await fetch(fixture("parquet/structs.parquet"))).blob();
  const dataset = await loadDataset(new File([content], "structs.parquet"), { resolution: 4, classLabels: "label" });
  expect([dataset.length, dataset.classNames.length]).toEqual([5, 5]);
});

test("a pipeline is saved to a directory of the page and loaded from it", async () => {
  const pipeline = await DDPMPipeline.fromPretrained(fixture("pipelines/ddpm"));
  const directory = await root.getDirectoryHandle(crypto.randomUUID(), { create: true });
  await pipeline.savePretrained(directory);
  const again = await DDPMPipeline.fromPretrained(directory);
  expect(await paint(again)).toEqual(await paint(pipeline));
});

test("an address that has no pipeline is refused", async () => {
  await expect(DDPMPipeline.fromPretrained(fixture("images"))).rejects.toMatchObject({ code: "MissingFile" });
  await expect(UNet2DModel.fromPretrained(new URL("http://127.0.0.1:1/"))).rejects.toMatchObject({
    code: "InvalidFile",
    message: expect.stringContaining("CORS"),
  });
});
