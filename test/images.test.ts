import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberwingError, Image, imageGrid, imagesFromTensor } from "emberwing";
import { describe, expect, test } from "vitest";
import { expectClose, maxDifference } from "./closeness.js";
import { fixturePath } from "./fixtures.js";

const gradient = () =>
  new Image(
    Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => 4 * i),
    5,
    4,
    3,
  );
const plain = (value: number, channels = 1) => new Image(new Uint8Array(2 * 3 * channels).fill(value), 2, 3, channels);

describe("Image", () => {
  test("PNG keeps every byte, in colour and in grey", () => {
    for (const image of [gradient(), plain(77)]) expect(Image.decode(image.toPNG())).toEqual(image);
  });

  test("JPEG comes near, and nearer with quality", () => {
    const { data } = gradient();
    const loss = (quality: number) => maxDifference(Image.decode(gradient().toJPEG({ quality })).data, data);
    expect(loss(100)).toBeLessThan(loss(20));
    expect(loss(100)).toBeLessThan(12);
  });

  test("decodes what Pillow wrote", async () => {
    const image = Image.decode(await readFile(fixturePath("images/rgb.png")), "rgb.png");
    expect(Image.decode(await readFile(fixturePath("images/rgb.bmp")))).toEqual(image);
  });

  test("save goes by the extension, leaves nothing else behind, and replaces", async () => {
    const directory = await mkdtemp(join(tmpdir(), "emberwing-"));
    await writeFile(join(directory, "a.png"), "old");
    await gradient().save(join(directory, "a.png"));
    await gradient().save(join(directory, "new/b.JPEG"));
    expect((await readdir(directory)).sort()).toEqual(["a.png", "new"]);
    expect([...(await readFile(join(directory, "a.png")))]).toEqual([...gradient().toPNG()]);
    expect([...(await readFile(join(directory, "new/b.JPEG"))).subarray(0, 2)]).toEqual([0xff, 0xd8]);
  });

  test("toTensor and back", () => {
    const tensor = gradient().toTensor();
    expect(tensor.shape).toEqual([3, 4, 5]);
    expectClose(tensor.data.slice(0, 2), [-1, (2 * 12) / 255 - 1], 1e-6);
    expect(imagesFromTensor(tensor)).toEqual([gradient()]);
  });

  test("toImageData is RGBA", () => {
    expect(gradient().toImageData()).toMatchObject({ width: 5, height: 4, colorSpace: "srgb" });
    expect([...gradient().toImageData().data.slice(0, 8)]).toEqual([0, 4, 8, 255, 12, 16, 20, 255]);
    expect([...plain(7).toImageData().data.slice(0, 4)]).toEqual([7, 7, 7, 255]);
  });
});

test("imagesFromTensor clamps and rounds as diffusers does", () => {
  const values = [-2, -1, 0, 1, 2, 0.2];
  const [image] = imagesFromTensor({ data: Float32Array.from(values), shape: [1, 1, 2, 3] });
  expect([...(image?.data ?? [])]).toEqual([0, 0, 128, 255, 255, 153]);
});

describe("imageGrid", () => {
  test("has torchvision's measures", () => {
    const eight = Array.from({ length: 8 }, () => new Image(new Uint8Array(32 * 32 * 3), 32, 32, 3));
    expect(imageGrid(eight)).toMatchObject({ width: 274, height: 36, channels: 3 });
    expect(imageGrid(eight, { columns: 3, padding: 0 })).toMatchObject({ width: 96, height: 96 });
  });

  test("rows of images with space between", () => {
    const { data, width, height } = imageGrid([plain(1), plain(2), plain(3)], {
      columns: 2,
      padding: 1,
      background: 9,
    });
    const rows = Array.from({ length: height }, (_, y) => data.slice(y * width, (y + 1) * width).join(" "));
    expect(rows).toEqual([
      "9 9 9 9 9 9 9",
      ...Array(3).fill("9 1 1 9 2 2 9"),
      "9 9 9 9 9 9 9",
      ...Array(3).fill("9 3 3 9 9 9 9"),
      "9 9 9 9 9 9 9",
    ]);
  });

  test("grey beside colour becomes colour", () => {
    const grid = imageGrid([plain(5), plain(6, 3)], { padding: 0, background: [1, 2, 3] });
    expect([...grid.data.slice(0, 12)]).toEqual([5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6]);
  });
});

test.each<[string, () => unknown, RegExp]>([
  ["no images", () => imageGrid([]), /images/],
  ["images of different sizes", () => imageGrid([plain(1), gradient()]), /2×3.*5×4/],
  ["an unknown option", () => imageGrid([plain(1)], { cols: 2 } as never), /cols.*columns/],
  ["two channels", () => new Image(new Uint8Array(8), 2, 2, 2), /channels.*2/],
  ["too few bytes", () => new Image(new Uint8Array(8), 2, 2, 3), /12 bytes.*8 bytes/],
  ["a quality of zero", () => plain(1).toJPEG({ quality: 0 }), /quality.*0/],
  ["bytes that are no image", () => Image.decode(new Uint8Array([1, 2, 3]), "x.png"), /x\.png/],
  ["a tensor of two axes", () => imagesFromTensor({ data: new Float32Array(4), shape: [2, 2] }), /tensor\.shape/],
])("refuses %s", (_, act, message) => {
  expect(act).toThrow(message);
  expect(act).toThrow(EmberwingError);
});

test("an unknown extension and a folder that cannot be written are refused", async () => {
  await expect(plain(1).save("picture.tiff")).rejects.toMatchObject({ code: "InvalidArgument" });
  const directory = await mkdtemp(join(tmpdir(), "emberwing-"));
  await writeFile(join(directory, "file"), "");
  await expect(plain(1).save(join(directory, "file", "a.png"))).rejects.toMatchObject({ code: "WriteFailed" });
});
