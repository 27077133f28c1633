/** Checkpoints: a run that was stopped and resumed is the run that never stopped, bit for bit. */
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Dataset,
  DDPMPipeline,
  DDPMScheduler,
  Generator,
  Image,
  type LoadDatasetOptions,
  loadDataset,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
  UNet2DModel,
} from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { expectTensorClose } from "./closeness.js";
import { need } from "./fixtures.js";

const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
let dataset: Dataset;
beforeAll(async () => {
  dataset = await loadDataset("butterflies", { size: 6, resolution: 8, randomFlip: true });
});

/** WebAssembly cannot read files by itself. */
const streamings = globalThis.process?.env.EMBERWING_ENGINE === "napi" ? [false, true] : [false];
const temporaryFolder = () => mkdtemp(join(tmpdir(), "emberwing-"));

interface Run {
  unet: UNet2DModel;
  trainer: Trainer;
  events: TrainingEvent[];
  error?: unknown;
}

/** Dropout and everything else that draws, so that nothing that has to be remembered is left out. */
function createModel(): Promise<UNet2DModel> {
  const config = { sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4, dropout: 0.2 };
  return UNet2DModel.create(
    { ...config, downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"], upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"] },
    { generator: new Generator(1) },
  );
}

const RECIPE: Partial<TrainerOptions> = {
  ...{ epochs: 3, batchSize: 1, gradientAccumulationSteps: 2, learningRate: 1e-3, lrScheduler: "cosine" },
  ...{ lrWarmupSteps: 2, maxGradNorm: 1, useEma: true, noiseOffset: 0.1, inputPerturbation: 0.1, snrGamma: 5 },
};

/** @param stopAfter The step in whose event the run is left. */
async function train(options: Partial<TrainerOptions>, stopAfter = Number.POSITIVE_INFINITY): Promise<Run> {
  const unet = options.model ?? (await createModel());
  const trainer = new Trainer({ model: unet, scheduler, dataset, seed: 3, ...RECIPE, ...options });
  const events: TrainingEvent[] = [];
  for await (const event of trainer.run()) {
    events.push(event);
    if (event.type === "step" && event.step >= stopAfter) break;
  }
  return { unet, trainer, events };
}

/** What happened, without where it is written. */
const story = ({ events }: Run) =>
  events.filter(({ type }) => !["checkpoint", "resumed", "warning", "start"].includes(type));
const checkpoints = async (folder: string) =>
  (await readdir(folder)).filter((name) => name.startsWith("checkpoint-")).sort();

/** The same weights and the same averages, bit for bit. */
async function expectSameEnd(run: Run, whole: Run): Promise<void> {
  using average = await run.trainer.emaModel();
  using expected = await whole.trainer.emaModel();
  for (const [ours, theirs] of [
    [run.unet, whole.unet],
    [average, expected],
  ] as const) {
    const [weights, wanted] = [await ours.parameters(), await theirs.parameters()];
    for (const [name, tensor] of Object.entries(wanted)) expectTensorClose(need(weights, name), tensor, 0, name);
  }
}

describe("resuming", () => {
  let whole: Run;
  beforeAll(async () => {
    whole = await train({});
  });

  // Steps 3 and 6 end an epoch of three steps, the others lie within one.
  test.each([1, 2, 3, 4, 6, 8])(
    "after step %i gives the losses and weights of the run that never stopped",
    async (step) => {
      const outputDir = await temporaryFolder();
      const first = await train({ outputDir, checkpointingSteps: 1 }, step);
      const second = await train({ outputDir, checkpointingSteps: 1, resumeFromCheckpoint: "latest", seed: 99 });
      expect(second.events[0]).toEqual({ type: "resumed", path: join(outputDir, `checkpoint-${step}`) });
      expect(second.events[1]).toMatchObject({ type: "start", step, steps: 9 });
      expect([...story(first), ...story(second)]).toEqual(story(whole));
      await expectSameEnd(second, whole);
    },
  );

  test("checkpoints change nothing in the run that writes them", async () => {
    const run = await train({ outputDir: await temporaryFolder(), checkpointingSteps: 2 });
    expect(story(run)).toEqual(story(whole));
    await expectSameEnd(run, whole);
  });

  test("a damaged newest checkpoint is passed over, and said so", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 2 }, 4);
    const damage: [string, (file: string) => Promise<void>][] = [
      ["unet/diffusion_pytorch_model.safetensors", (file) => truncate(file, 1000)],
      ["optimizer.safetensors", (file) => truncate(file, 0)],
      ["trainer_state.json", flipByte],
      ["checkpoint.json", (file) => truncate(file, 40)],
      ["unet_ema/config.json", (file) => rm(file)],
    ];
    for (const [name, spoil] of damage) {
      await train({ outputDir, checkpointingSteps: 2, resumeFromCheckpoint: "checkpoint-4" }, 6);
      await spoil(join(outputDir, "checkpoint-6", name));
      const resumed = await train({ outputDir, checkpointingSteps: 2, resumeFromCheckpoint: "latest" });
      expect(resumed.events[0], name).toMatchObject({
        type: "warning",
        message: expect.stringContaining("checkpoint-6"),
      });
      expect(resumed.events[1], name).toMatchObject({ type: "resumed", path: join(outputDir, "checkpoint-4") });
      await expectSameEnd(resumed, whole);
      for (const name of await checkpoints(outputDir)) {
        if (name !== "checkpoint-2" && name !== "checkpoint-4") await rm(join(outputDir, name), { recursive: true });
      }
    }
  });

  async function flipByte(file: string): Promise<void> {
    const bytes = await readFile(file);
    bytes[10] = (bytes[10] as number) ^ 1;
    await writeFile(file, bytes);
  }

  test("with no whole checkpoint the run starts anew", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 2 }, 2);
    await truncate(join(outputDir, "checkpoint-2/optimizer.safetensors"), 10);
    const again = await train({ outputDir, checkpointingSteps: 2, resumeFromCheckpoint: "latest" });
    expect(again.events.find(({ type }) => type === "start")).toMatchObject({ step: 0 });
    expect(story(again)).toEqual(story(whole));
  });

  test("a checkpoint can lie elsewhere", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 4 }, 4);
    const moved = join(await temporaryFolder(), "kept");
    await rename(join(outputDir, "checkpoint-4"), moved);
    const resumed = await train({ outputDir: await temporaryFolder(), resumeFromCheckpoint: moved });
    await expectSameEnd(resumed, whole);
  });

  test("a longer run goes on where a shorter one ended", async () => {
    const outputDir = await temporaryFolder();
    const constant = { lrScheduler: "constant", outputDir, checkpointingSteps: 3 } as const;
    await train({ ...constant, epochs: 1 });
    const longer = await train({ ...constant, epochs: 2, resumeFromCheckpoint: "latest" });
    const once = await train({ ...constant, epochs: 2, outputDir: await temporaryFolder() });
    await expectSameEnd(longer, once);
  });

  test("what was finished stays finished", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 9 });
    const again = await train({ outputDir, checkpointingSteps: 9, resumeFromCheckpoint: "latest" });
    expect(story(again).map(({ type }) => type)).toEqual(["epoch", "done"]);
    await expectSameEnd(again, whole);
  });

  test.each<[string, () => Promise<Partial<TrainerOptions>>, { code: string; message: RegExp }]>([
    [
      "a checkpoint that is not there",
      async () => ({ resumeFromCheckpoint: "checkpoint-7" }),
      code("MissingFile", /checkpoint-7/),
    ],
    [
      "other pictures",
      async () => ({
        dataset: await loadDataset("butterflies", { size: 5, resolution: 8 }),
        resumeFromCheckpoint: "latest",
      }),
      code("InvalidArgument", /dataset: expected the 6 images that the checkpoint's run learned from, got 5/),
    ],
    [
      "another model",
      async () => ({
        model: await UNet2DModel.create({ ...(await createModel()).config, blockOutChannels: [8, 12] }),
        resumeFromCheckpoint: "latest",
      }),
      code("InvalidFile", /down_blocks/),
    ],
  ])("refuses %s", async (_, options, expected) => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 2 }, 2);
    await expect(train({ outputDir, ...(await options()) })).rejects.toMatchObject({
      code: expected.code,
      message: expect.stringMatching(expected.message),
    });
  });

  function code(code: string, message: RegExp): { code: string; message: RegExp } {
    return { code, message };
  }
});

describe("the images of a checkpoint", () => {
  const short = { epochs: 1, checkpointingSteps: 1, useEma: false } as const;

  /** Noise: files of the same sizes whatever the level of one pixel. */
  const images = (changed?: number): Uint8Array[] =>
    Array.from({ length: 4 }, (_, index) => {
      const data = Uint8Array.from({ length: 192 }, (_, at) => (at * 37 + index * 91) % 256);
      if (index === changed) data[100] = 255 - (data[100] as number);
      return new Image(data, 8, 8, 3).toPNG();
    });

  /** In order and by number, so that a folder and a list have them alike. */
  async function folderOf(content: readonly Uint8Array[]): Promise<string> {
    const folder = await temporaryFolder();
    for (const [index, bytes] of content.entries()) await writeFile(join(folder, `${index}.png`), bytes);
    return folder;
  }

  const load = (source: string | Uint8Array[], options: LoadDatasetOptions = {}) =>
    loadDataset(source, { resolution: 8, onWarning: () => {}, ...options });

  async function startedWith(dataset: Dataset): Promise<string> {
    const outputDir = await temporaryFolder();
    await train({ ...short, dataset, outputDir }, 1);
    return outputDir;
  }

  const resume = (outputDir: string, dataset: Dataset) =>
    train({ ...short, dataset, outputDir, resumeFromCheckpoint: "latest" });
  const refusal = { code: "InvalidArgument", message: expect.stringMatching(/dataset: expected the images that/) };

  test.each(streamings)("are noticed to be others of the same number and sizes: streaming %s", async (streaming) => {
    const outputDir = await startedWith(await load(await folderOf(images()), { streaming }));
    const swapped = images();
    swapped.push(...swapped.splice(0, 1));
    for (const others of [images(3), swapped]) {
      const dataset = await load(await folderOf(others), { streaming });
      await expect(resume(outputDir, dataset)).rejects.toMatchObject(refusal);
    }
    const run = await resume(outputDir, await load(await folderOf(images()), { streaming }));
    expect(run.events.at(-1)?.type).toBe("done");
  });

  test("are the same in another place, in memory and on disk", async () => {
    const outputDir = await startedWith(await load(images()));
    for (const streaming of streamings) {
      const copy = await temporaryFolder();
      await cp(outputDir, copy, { recursive: true });
      const run = await resume(copy, await load(await folderOf(images()), { streaming }));
      expect(run.events.at(-1)?.type).toBe("done");
    }
  });

  test("are not compared with those of a checkpoint that says nothing of them", async () => {
    const outputDir = await startedWith(await load(images()));
    const checkpoint = join(outputDir, "checkpoint-1");
    const { fingerprint, ...state } = JSON.parse(await readFile(join(checkpoint, "trainer_state.json"), "utf8"));
    expect(fingerprint).toMatch(/^[\da-f]{16}$/);
    const text = JSON.stringify(state);
    await writeFile(join(checkpoint, "trainer_state.json"), text);
    const manifest = JSON.parse(await readFile(join(checkpoint, "checkpoint.json"), "utf8"));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    const sha256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    manifest.files["trainer_state.json"] = { bytes: text.length, sha256 };
    await writeFile(join(checkpoint, "checkpoint.json"), JSON.stringify(manifest));
    const run = await resume(outputDir, await load(images(1)));
    expect(run.events.at(-1)?.type).toBe("done");
  });
});

describe("the limit on checkpoints, as diffusers' own tests have it", () => {
  const sixSteps = { epochs: 1, gradientAccumulationSteps: 1, checkpointingSteps: 2 };

  test("without one all are kept, with one the newest", async () => {
    const all = await temporaryFolder();
    await train({ ...sixSteps, outputDir: all });
    expect(await checkpoints(all)).toEqual(["checkpoint-2", "checkpoint-4", "checkpoint-6"]);
    const limited = await temporaryFolder();
    await train({ ...sixSteps, outputDir: limited, checkpointsTotalLimit: 2 });
    expect(await checkpoints(limited)).toEqual(["checkpoint-4", "checkpoint-6"]);
  });

  test("a run that goes on removes those of before", async () => {
    const outputDir = await temporaryFolder();
    await train({ ...sixSteps, outputDir });
    const more = { epochs: 2, checkpointsTotalLimit: 2, resumeFromCheckpoint: "checkpoint-6" };
    await train({ ...sixSteps, ...more, outputDir });
    expect(await checkpoints(outputDir)).toEqual(["checkpoint-10", "checkpoint-12"]);
  });

  test("an old one goes only once the new one is whole", async () => {
    const outputDir = await temporaryFolder();
    const model = await createModel();
    const options = { model, scheduler, dataset, seed: 3, ...RECIPE, ...sixSteps, outputDir, checkpointsTotalLimit: 1 };
    const seen: string[] = [];
    for await (const event of new Trainer(options).run()) {
      if (event.type === "step" && event.step % 2 === 0) seen.push(...(await checkpoints(outputDir)), "step");
      if (event.type === "checkpoint") seen.push(...(await checkpoints(outputDir)));
    }
    const expected = [
      "step",
      "checkpoint-2",
      "checkpoint-2",
      "step",
      "checkpoint-4",
      "checkpoint-4",
      "step",
      "checkpoint-6",
    ];
    expect(seen).toEqual(expected);
  });
});

describe("the output folder", () => {
  test("a checkpoint has diffusers' layout, loads as models, and says what is in it", async () => {
    const outputDir = await temporaryFolder();
    const { unet, trainer } = await train({ outputDir, checkpointingSteps: 9 });
    const path = join(outputDir, "checkpoint-9");
    expect((await readdir(path, { recursive: true })).sort()).toEqual([
      "checkpoint.json",
      "optimizer.safetensors",
      "trainer_state.json",
      "unet",
      "unet/config.json",
      "unet/diffusion_pytorch_model.safetensors",
      "unet_ema",
      "unet_ema/config.json",
      "unet_ema/diffusion_pytorch_model.safetensors",
    ]);
    using saved = await UNet2DModel.fromPretrained(path, { subfolder: "unet" });
    expect(await saved.parameters()).toEqual(await unet.parameters());
    using average = await trainer.emaModel();
    using savedAverage = await UNet2DModel.fromPretrained(path, { subfolder: "unet_ema" });
    expect(await savedAverage.parameters()).toEqual(await average.parameters());
    expect(savedAverage.config).toEqual(saved.config);
    const config = JSON.parse(await readFile(join(path, "unet_ema/config.json"), "utf8"));
    expect(config).toMatchObject({ decay: 0.9999, min_decay: 0, optimization_step: 9, update_after_step: 0 });
    expect(config).toMatchObject({ use_ema_warmup: true, inv_gamma: 1, power: 0.75 });
    // The pipeline draws with the average.
    using drawn = (await DDPMPipeline.fromPretrained(outputDir)).unet;
    expect(await drawn.parameters()).toEqual(await average.parameters());
  });

  test("stopping writes a checkpoint, and the run goes on from it in another process's stead", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 100 }, 4);
    expect(await checkpoints(outputDir)).toEqual(["checkpoint-4"]);
    const controller = new AbortController();
    const trainer = new Trainer({
      model: await createModel(),
      scheduler,
      dataset,
      ...RECIPE,
      outputDir,
      checkpointingSteps: 100,
    });
    const abort = async () => {
      for await (const event of trainer.run({ signal: controller.signal })) {
        if (event.type === "step" && event.step === 5) controller.abort(new Error("enough"));
      }
    };
    await expect(abort()).rejects.toThrow("enough");
    expect(await checkpoints(outputDir)).toEqual(["checkpoint-5"]);
  });

  test("the checkpoints of an earlier run are moved away from a new one", async () => {
    const outputDir = await temporaryFolder();
    await train({ outputDir, checkpointingSteps: 4 }, 4);
    const { events } = await train({ outputDir, checkpointingSteps: 2 }, 2);
    expect(events[0]).toMatchObject({ type: "warning", message: expect.stringContaining(join(outputDir, "earlier")) });
    expect(await checkpoints(outputDir)).toEqual(["checkpoint-2"]);
    expect(await checkpoints(join(outputDir, "earlier"))).toEqual(["checkpoint-4"]);
  });

  test("is only for one run at a time", async () => {
    const outputDir = await temporaryFolder();
    const first = new Trainer({ model: await createModel(), scheduler, dataset, ...RECIPE, outputDir });
    const running = first.run();
    await running.next();
    const second = train({ outputDir });
    await expect(second).rejects.toMatchObject({ code: "InUse", message: expect.stringContaining("another run") });
    await running.return();
    await train({ outputDir, steps: 1, epochs: null });
  });

  test("the pipeline is saved every saveModelEpochs epochs", async () => {
    const outputDir = await temporaryFolder();
    const trainer = new Trainer({
      model: await createModel(),
      scheduler,
      dataset,
      ...RECIPE,
      outputDir,
      saveModelEpochs: 2,
    });
    const saved: number[] = [];
    for await (const event of trainer.run()) {
      if (event.type === "step" && (await readdir(outputDir)).includes("model_index.json")) saved.push(event.epoch);
    }
    expect(saved).toEqual([3, 3, 3]);
  });

  test("a loss that is not finite ends the run with the last checkpoint named", async () => {
    const outputDir = await temporaryFolder();
    const values = new Generator(0).rand([6, 3, 8, 8]);
    const pixels = await loadDataset(values.data, { shape: values.shape });
    const sample = new DDPMScheduler({ predictionType: "sample", betaSchedule: "squaredcos_cap_v2" });
    const options = { dataset: pixels, scheduler: sample, learningRate: 1e30, lrScheduler: "constant" } as const;
    const failing = train({ ...options, outputDir, checkpointingSteps: 1, epochs: 9 });
    await expect(failing).rejects.toMatchObject({
      code: "NotFinite",
      message: expect.stringMatching(/step \d+: .*; the last whole checkpoint is .*checkpoint-\d+$/),
    });
    expect((await checkpoints(outputDir)).length).toBeGreaterThan(0);
    expect(await readdir(outputDir)).not.toContain("model_index.json");
  });
});
