/** Where pipelines go and come from beside paths: memory, zip files. */
import { DDIMScheduler, DDPMPipeline, UNet2DModel, zip } from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

let pipeline: DDPMPipeline;
let files: Map<string, Uint8Array>;

beforeAll(async () => {
  pipeline = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
  files = new Map();
  await pipeline.savePretrained(files);
});

const paint = async (one: DDPMPipeline) => (await one.generate({ numInferenceSteps: 2, seed: 3 })).images;

test("a Map takes the files by their paths", async () => {
  expect([...files.keys()].sort()).toEqual([
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
  ]);
  expect(await paint(await DDPMPipeline.fromPretrained(files))).toEqual(await paint(pipeline));
});

describe("half precision", () => {
  test.for([
    ["float16", 11],
    ["bfloat16", 8],
  ] as const)("%s takes half the room and rounds each weight to %i bits", async ([dtype, bits]) => {
    const half = new Map<string, Uint8Array>();
    await pipeline.savePretrained(half, { dtype });
    const size = (saved: Map<string, Uint8Array>) => saved.get("unet/diffusion_pytorch_model.safetensors")?.length ?? 0;
    expect(size(half) / size(files)).toBeLessThan(0.6);
    const rounded = await (await DDPMPipeline.fromPretrained(half)).unet.parameters();
    for (const [name, { data }] of Object.entries(await pipeline.unet.parameters())) {
      // Half a unit in the last place, and the smallest steps of float16 near zero.
      const bound = (value: number) => Math.abs(value) * 2 ** -bits + 2 ** -25;
      const read = rounded[name]?.data ?? [];
      expect(
        data.every((value, i) => Math.abs(value - (read[i] as number)) <= bound(value)),
        name,
      ).toBe(true);
    }
  });

  test("is refused by another name", async () => {
    const saving = pipeline.unet.savePretrained(new Map(), { dtype: "half" as never });
    await expect(saving).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringMatching(/dtype.*float16.*half/),
    });
  });
});

test("a save replaces shards of an earlier one", async () => {
  const stale = new Map([["diffusion_pytorch_model.safetensors.index.json", new Uint8Array(1)]]);
  await pipeline.unet.savePretrained(stale);
  expect([...stale.keys()].sort()).toEqual(["config.json", "diffusion_pytorch_model.safetensors"]);
});

describe("zip", () => {
  test("is a folder to load from, whole or in parts", async () => {
    const archive = await zip(files);
    expect(archive.type).toBe("application/zip");
    expect(await paint(await DDPMPipeline.fromPretrained(archive))).toEqual(await paint(pipeline));
    const file = new File([archive], "butterflies.zip");
    const unet = await UNet2DModel.fromPretrained(file, { subfolder: "unet" });
    expect(unet.config).toEqual(pipeline.unet.config);
  });

  test("may have a folder around everything, as unzipping and zipping again makes it", async () => {
    const around = new Map([...files].map(([path, content]) => [`my_pipeline/${path}`, content]));
    expect((await DDPMPipeline.fromPretrained(await zip(around))).unet.config).toEqual(pipeline.unet.config);
  });

  test("of the same files is the same", async () => {
    const [one, other] = await Promise.all([zip(files), zip(files)]);
    expect(await one.text()).toBe(await other.text());
  });

  test("that is none, or lacks a file, is refused by its name", async () => {
    const text = DDPMPipeline.fromPretrained(new File(["hello"], "notes.txt"));
    await expect(text).rejects.toMatchObject({ code: "InvalidFile", message: expect.stringContaining("notes.txt") });
    const part = new File([await zip(new Map([["unet/config.json", new Uint8Array(2)]]))], "part.zip");
    await expect(DDPMPipeline.fromPretrained(part)).rejects.toMatchObject({
      code: "MissingFile",
      message: expect.stringMatching(/part\.zip: expected model_index\.json/),
    });
  });
});

test("a target that is nothing of the kind is refused", async () => {
  const saving = new DDIMScheduler().savePretrained(5 as never);
  await expect(saving).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("target") });
});
