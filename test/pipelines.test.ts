import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DDIMPipeline,
  DDIMScheduler,
  DDPMPipeline,
  DDPMScheduler,
  DiffusionPipeline,
  type EmberwingError,
  Generator,
  Image,
  imagesFromTensor,
  PNDMPipeline,
  PNDMScheduler,
  type StepProgress,
  type Tensor,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { expectTensorClose, maxDifference } from "./closeness.js";
import { fixturePath, formatSafetensors, need, readTensors } from "./fixtures.js";

const temporaryFolder = () => mkdtemp(join(tmpdir(), "emberwing-"));
const ddpmFolder = fixturePath("pipelines/ddpm");

describe.each([
  ["ddpm", DDPMPipeline, DDPMScheduler, 20],
  ["ddim", DDIMPipeline, DDIMScheduler, 10],
  ["pndm", PNDMPipeline, PNDMScheduler, 10],
] as const)("%s as diffusers saved it", (name, Pipeline, SchedulerClass, numInferenceSteps) => {
  const folder = fixturePath(`pipelines/${name}`);
  const run = { batchSize: 2, seed: 3, numInferenceSteps };

  test("model_index.json chooses the classes", async () => {
    const pipeline = await DiffusionPipeline.fromPretrained(folder);
    expect(pipeline).toBeInstanceOf(Pipeline);
    expect(pipeline.components.scheduler).toBeInstanceOf(SchedulerClass);
    expect(Object.keys(pipeline.components).sort()).toEqual(["scheduler", "unet"]);
  });

  test("gives diffusers' pictures for a seed", async () => {
    const pipeline = await Pipeline.fromPretrained(folder);
    const { images: tensor } = await pipeline.generate({ ...run, outputType: "tensor" });
    expectTensorClose(tensor, need(readTensors(`pipelines/${name}.safetensors`), "images_nhwc"), 1e-3);
    const { images } = await pipeline.generate(run);
    for (const [index, image] of images.entries()) {
      const golden = Image.decode(await readFile(fixturePath(`pipelines/${name}_${index}.png`)));
      expect(maxDifference(image.data, golden.data)).toBeLessThanOrEqual(1);
    }
    expect(images).toHaveLength(2);
  });

  test("gives the same pictures as the loop by hand", async () => {
    const { unet, scheduler } = await Pipeline.fromPretrained(folder);
    const generator = new Generator(3);
    scheduler.setTimesteps(numInferenceSteps);
    let sample = generator.randn([2, 3, 16, 16]);
    for (const t of scheduler.timesteps) {
      const modelOutput = await unet.forward(scheduler.scaleModelInput(sample, t), t);
      sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
    }
    expect((await new Pipeline({ unet, scheduler }).generate(run)).images).toEqual(imagesFromTensor(sample));
  });

  test("savePretrained writes diffusers' files, byte for byte", async () => {
    const directory = await temporaryFolder();
    await (await Pipeline.fromPretrained(folder)).savePretrained(directory);
    const files = [
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      "unet/diffusion_pytorch_model.safetensors",
    ];
    expect((await readdir(directory)).sort()).toEqual(["model_index.json", "scheduler", "unet"]);
    expect((await readdir(join(directory, "unet"))).sort()).toEqual([
      "config.json",
      "diffusion_pytorch_model.safetensors",
    ]);
    for (const file of files) {
      const [ours, theirs] = [await readFile(join(directory, file)), await readFile(join(folder, file))];
      expect(maxDifference(ours, theirs), file).toBe(0);
    }
  });
});

test("DDIM and PNDM pipelines convert the scheduler that they are given", async () => {
  const { unet, scheduler } = await DDPMPipeline.fromPretrained(ddpmFolder);
  for (const [Pipeline, Class] of [
    [DDIMPipeline, DDIMScheduler],
    [PNDMPipeline, PNDMScheduler],
  ] as const) {
    const pipeline = new Pipeline({ unet, scheduler });
    expect(pipeline.scheduler).toBeInstanceOf(Class);
    expect(pipeline.scheduler.config).toMatchObject({ betaSchedule: "squaredcos_cap_v2" });
  }
});

describe("generate", () => {
  let pipeline: DDPMPipeline;

  beforeAll(async () => {
    pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
  });

  test("reports each step", async () => {
    const steps: StepProgress[] = [];
    await pipeline.generate({ numInferenceSteps: 4, seed: 0, onStep: (progress) => steps.push(progress) });
    expect(steps).toEqual([
      { step: 1, timestep: 750, total: 4 },
      { step: 2, timestep: 500, total: 4 },
      { step: 3, timestep: 250, total: 4 },
      { step: 4, timestep: 0, total: 4 },
    ]);
  });

  test("an abort stops after the step under way", async () => {
    const controller = new AbortController();
    let steps = 0;
    const onStep = () => {
      if (++steps === 2) controller.abort(new Error("enough"));
    };
    await expect(pipeline.generate({ numInferenceSteps: 10, onStep, signal: controller.signal })).rejects.toThrow(
      "enough",
    );
    expect(steps).toBe(2);
    expect((await pipeline.generate({ numInferenceSteps: 2 })).images).toHaveLength(1);
  });

  test("a generator goes on; a seed starts anew", async () => {
    const generator = new Generator(3);
    const run = { numInferenceSteps: 2, generator };
    const [first, second] = [await pipeline.generate(run), await pipeline.generate(run)];
    expect(first.images).not.toEqual(second.images);
    expect((await pipeline.generate({ numInferenceSteps: 2, seed: 3 })).images).toEqual(first.images);
    expect((await pipeline.generate({ numInferenceSteps: 2 })).images).not.toEqual(first.images);
  });

  test("the scheduler may be replaced", async () => {
    const other = await DDPMPipeline.fromPretrained(ddpmFolder);
    other.scheduler = DDIMScheduler.fromConfig(other.scheduler);
    const { images } = await other.generate({ numInferenceSteps: 3, seed: 1, eta: 0.5 });
    const ddim = new DDIMPipeline(await DDPMPipeline.fromPretrained(ddpmFolder));
    expect((await ddim.generate({ numInferenceSteps: 3, seed: 1, eta: 0.5 })).images).toEqual(images);
    expect((await ddim.generate({ numInferenceSteps: 3, seed: 1 })).images).not.toEqual(images);
  });

  test("rectangles and grey", async () => {
    const unet = await UNet2DModel.fromPretrained(fixturePath("unet2d/gray_rect"));
    const { images } = await new DDPMPipeline({ unet, scheduler: new DDPMScheduler() }).generate({
      numInferenceSteps: 2,
    });
    expect(images[0]).toMatchObject({ height: 8, width: 12, channels: 1 });
  });

  test.each<[string, object, RegExp]>([
    ["a misspelt option", { numInferenceStep: 3 }, /numInferenceStep.*numInferenceSteps/],
    ["no images", { batchSize: 0 }, /batchSize.*0/],
    ["an unknown output", { outputType: "pil" }, /outputType.*"tensor".*"pil"/],
    ["more steps than training had", { numInferenceSteps: 1001 }, /numInferenceSteps.*1001/],
    ["eta where there is none", { numInferenceSteps: 2, eta: 1 }, /eta/],
    ["seed and generator", { seed: 1, generator: new Generator(1) }, /seed, generator/],
  ])("refuses %s", async (_, options, message) => {
    await expect(pipeline.generate(options)).rejects.toThrow(message);
    await expect(pipeline.generate(options)).rejects.toMatchObject({ name: "EmberwingError" });
  });

  test("refuses parts that are none", () => {
    expect(() => new DDPMPipeline({ unet: {} as never, scheduler: pipeline.scheduler })).toThrow(/unet.*UNet2DModel/);
    expect(() => new DDPMPipeline({ unet: pipeline.unet, scheduler: {} as never })).toThrow(/scheduler/);
  });
});

describe("fromPretrained", () => {
  const run = { batchSize: 1, numInferenceSteps: 3, seed: 0 };
  let expected: Image[];
  let weights: Record<string, Tensor>;

  beforeAll(async () => {
    const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
    expected = (await pipeline.generate(run)).images;
    weights = await pipeline.unet.parameters();
  });

  async function copy(): Promise<string> {
    const folder = await temporaryFolder();
    await cp(ddpmFolder, folder, { recursive: true });
    return folder;
  }

  async function expectSamePictures(source: Parameters<typeof DiffusionPipeline.fromPretrained>[0]): Promise<void> {
    expect((await (await DiffusionPipeline.fromPretrained(source)).generate(run)).images).toEqual(expected);
  }

  test("a flat repository", async () => {
    const folder = await copy();
    for (const part of ["scheduler", "unet"]) {
      for (const file of await readdir(join(folder, part))) await rename(join(folder, part, file), join(folder, file));
      await rm(join(folder, part), { recursive: true });
    }
    await expectSamePictures(folder);
  });

  test("sharded safetensors, and a save over them", async () => {
    const folder = await copy();
    const unet = join(folder, "unet");
    await rm(join(unet, "diffusion_pytorch_model.safetensors"));
    const names = Object.keys(weights);
    const weight_map: Record<string, string> = {};
    for (const [k, part] of [names.slice(0, 20), names.slice(20)].entries()) {
      const file = `diffusion_pytorch_model-0000${k + 1}-of-00002.safetensors`;
      for (const name of part) weight_map[name] = file;
      const shard = Object.fromEntries(part.map((name) => [name, need(weights, name)]));
      await writeFile(join(unet, file), formatSafetensors(shard));
    }
    const index = join(unet, "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map }));
    await expectSamePictures(folder);

    await (await DDPMPipeline.fromPretrained(folder)).savePretrained(folder);
    expect((await readdir(unet)).sort()).toEqual(["config.json", "diffusion_pytorch_model.safetensors"]);
    await expectSamePictures(folder);
  });

  test("a missing shard is named", async () => {
    const folder = await copy();
    const index = join(folder, "unet", "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(
      index,
      JSON.stringify({ weight_map: { "conv_in.weight": "diffusion_pytorch_model-00001-of-00001.safetensors" } }),
    );
    const loading = DiffusionPipeline.fromPretrained(folder);
    await expect(loading).rejects.toMatchObject({
      code: "MissingFile",
      message: expect.stringContaining("00001-of-00001"),
    });
  });

  test("a shard outside the folder is refused", async () => {
    const folder = await copy();
    const index = join(folder, "unet", "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(index, JSON.stringify({ weight_map: { "conv_in.weight": "../../secret.safetensors" } }));
    const loading = DiffusionPipeline.fromPretrained(folder);
    await expect(loading).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("../../secret"),
    });
  });

  test("old .bin weights", async () => {
    const folder = await copy();
    const unet = join(folder, "unet");
    await rm(join(unet, "diffusion_pytorch_model.safetensors"));
    await cp(fixturePath("pipelines/unet_bin/diffusion_pytorch_model.bin"), join(unet, "diffusion_pytorch_model.bin"));
    await expectSamePictures(folder);
  });

  test("old attention names", async () => {
    const folder = await copy();
    const old = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
    const renamed = Object.entries(weights).map(([name, tensor]) => {
      const [now, before] = Object.entries(old).find(([now]) => name.includes(`.${now}.`)) ?? ["", ""];
      return [now ? name.replace(now, before) : name, tensor] as const;
    });
    expect(renamed.some(([name]) => name.includes("proj_attn"))).toBe(true);
    const file = join(folder, "unet", "diffusion_pytorch_model.safetensors");
    await writeFile(file, formatSafetensors(Object.fromEntries(renamed)));
    await expectSamePictures(folder);
  });

  test("a variant", async () => {
    const folder = await copy();
    const unet = join(folder, "unet");
    const [from, to] = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"];
    await rename(join(unet, from), join(unet, to));
    const { images } = await (await DDPMPipeline.fromPretrained(folder, { variant: "fp16" })).generate(run);
    expect(images).toEqual(expected);
    await expect(DDPMPipeline.fromPretrained(folder)).rejects.toThrow(/found config\.json, .*fp16\.safetensors/);
  });

  test("files that were picked in a page, and files in memory", async () => {
    const paths = [
      "model_index.json",
      "scheduler/scheduler_config.json",
      "unet/config.json",
      "unet/diffusion_pytorch_model.safetensors",
    ];
    const contents = await Promise.all(
      paths.map(async (path) => [path, new Uint8Array(await readFile(join(ddpmFolder, path)))] as const),
    );
    await expectSamePictures(new Map(contents));
    const picked = contents.map(([path, content]) => {
      const file = new File([content], path);
      return Object.defineProperty(file, "webkitRelativePath", { value: `ddpm/${path}` });
    });
    await expectSamePictures(picked);
  });

  test("refuses a file in place of its folder, and no path at all", async () => {
    const directory = await mkdtemp(join(tmpdir(), "emberwing-"));
    const file = join(directory, "pipeline.json");
    await writeFile(file, "{}");
    await expect(DDPMPipeline.fromPretrained(file)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("it is a file, expected a folder"),
    });
    await expect(DDPMPipeline.fromPretrained("")).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test.each<[string, (folder: string) => Promise<unknown>, EmberwingError["code"], RegExp]>([
    [
      "no model_index.json",
      (folder) => rm(join(folder, "model_index.json")),
      "MissingFile",
      /expected model_index\.json, found unet\/ and scheduler\/: .*is missing/,
    ],
    [
      "no unet/",
      (folder) => rm(join(folder, "unet"), { recursive: true }),
      "MissingFile",
      /expected the folder unet\//,
    ],
    [
      "a part that is no pair",
      (folder) =>
        writeFile(join(folder, "model_index.json"), '{"_class_name": "DDPMPipeline", "unet": ["diffusers", 5]}'),
      "InvalidFile",
      /model_index\.json: unet: expected \[library, class\], got \["diffusers", 5\]/,
    ],
    [
      "no weights",
      (folder) => rm(join(folder, "unet/diffusion_pytorch_model.safetensors")),
      "MissingFile",
      /safetensors.*or.*bin.*found config\.json/,
    ],
    [
      "cut weights",
      async (folder) => {
        const file = join(folder, "unet/diffusion_pytorch_model.safetensors");
        await writeFile(file, (await readFile(file)).subarray(0, 5000));
      },
      "InvalidFile",
      /diffusion_pytorch_model\.safetensors/,
    ],
    [
      "foreign weights",
      (folder) =>
        writeFile(
          join(folder, "unet/diffusion_pytorch_model.safetensors"),
          formatSafetensors({ a: { data: new Float32Array(1), shape: [1] } }),
        ),
      "InvalidFile",
      /conv_in|\ba\b/,
    ],
    [
      "weights that are no safetensors",
      (folder) => writeFile(join(folder, "unet/diffusion_pytorch_model.safetensors"), "hello"),
      "InvalidFile",
      /safetensors/,
    ],
    [
      "a class that we do not have",
      (folder) => writeFile(join(folder, "model_index.json"), JSON.stringify({ _class_name: "FluxPipeline" })),
      "Unsupported",
      /FluxPipeline.*DDPMPipeline/,
    ],
    [
      "an index without a class",
      (folder) => writeFile(join(folder, "model_index.json"), "{}"),
      "InvalidFile",
      /_class_name/,
    ],
    [
      "an index that is no JSON",
      (folder) => writeFile(join(folder, "model_index.json"), "{"),
      "InvalidFile",
      /model_index\.json/,
    ],
    [
      "a part that we do not have",
      (folder) =>
        writeFile(
          join(folder, "model_index.json"),
          JSON.stringify({ _class_name: "DDPMPipeline", unet: ["diffusers", "UNet3D"] }),
        ),
      "Unsupported",
      /UNet3D/,
    ],
    [
      "no unet",
      (folder) =>
        writeFile(
          join(folder, "model_index.json"),
          JSON.stringify({ _class_name: "DDPMPipeline", unet: [null, null] }),
        ),
      "InvalidArgument",
      /unet/,
    ],
  ])("refuses a folder with %s", async (_, damage, code, message) => {
    const folder = await copy();
    await damage(folder);
    const loading = DiffusionPipeline.fromPretrained(folder);
    await expect(loading).rejects.toMatchObject({
      name: "EmberwingError",
      code,
      message: expect.stringMatching(message),
    });
  });

  test("a folder that does not exist is named", async () => {
    await expect(DiffusionPipeline.fromPretrained("no/such/folder")).rejects.toThrow(
      /no\/such\/folder.*no such folder/,
    );
  });

  test("a file in place of a folder is called one", async () => {
    const loading = DiffusionPipeline.fromPretrained(fixturePath("pipelines/ddpm/model_index.json"));
    await expect(loading).rejects.toThrow(/model_index\.json: it is a file, expected a folder/);
  });

  test("a folder that cannot be written is refused", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "run"));
    await writeFile(join(folder, "run", "unet"), "a file in the way");
    const pipeline = await DDPMPipeline.fromPretrained(ddpmFolder);
    await expect(pipeline.savePretrained(join(folder, "run"))).rejects.toMatchObject({ code: "WriteFailed" });
  });
});
