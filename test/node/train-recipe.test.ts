/** The flags of `emberwing train` beyond the presets: what they do shows in the files that a run leaves. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DDPMPipeline, DDPMScheduler, Generator, Image, imagesFromTensor, UNet2DModel } from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, type Outcome, run } from "./command-line.js";

const TINY = [
  ...["--resolution", "8", "--train-batch-size", "2", "--eval-batch-size", "2", "--ddpm-num-inference-steps", "2"],
  ...["--save-images-epochs", "100"],
];
const PICTURES = ["--train-data-dir", "pictures"];

let folder: string;
/** A model that trains in no time. */
const CONFIG = {
  ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
  ...{ downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] },
} as Parameters<typeof UNet2DModel.create>[0];

beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
  using small = await UNet2DModel.create(CONFIG);
  await small.savePretrained(join(folder, "small"));
});
afterAll(() => rm(folder, { recursive: true }));

const train = (...args: string[]): Promise<Outcome> =>
  run(["train", ...TINY, "--model-config-name-or-path", "small", ...args], folder);

async function metricsOf(output: string): Promise<Record<string, number>[]> {
  const text = await readFile(join(folder, output, "metrics.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const weightsOf = async (path: string) => {
  using unet = await UNet2DModel.fromPretrained(join(folder, path));
  return await unet.parameters();
};

test("schedule, accumulation, clipping and averaging", async () => {
  const schedule = ["--lr-scheduler", "cosine", "--lr-warmup-steps", "2", "--learning-rate", "1e-3"];
  const steps = ["--num-epochs", "4", "--gradient-accumulation-steps", "2", "--max-grad-norm", "1"];
  const { code, stdout } = await train(...PICTURES, ...schedule, ...steps, "--use-ema", "--output-dir", "recipe");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^samples +recipe\/samples\.png$/m);
  expect(stdout).toMatch(/^without EMA +recipe\/samples-without-ema\.png$/m);
  const metrics = await metricsOf("recipe");
  // Four pictures in batches of two, two batches a step: one step an epoch.
  expect(metrics.map(({ step, epoch }) => [step, epoch])).toEqual([1, 2, 3, 4].map((n) => [n, n]));
  expect(metrics.map(({ learningRate }) => learningRate)).toEqual([0, 5e-4, 1e-3, 5e-4]);
  expect(metrics.map(({ emaDecay }) => emaDecay?.toFixed(5))).toEqual(["0.00000", "0.40540", "0.56131", "0.64645"]);
  for (const { gradNorm } of metrics) expect(gradNorm).toBeGreaterThan(0);
});

test("the script's preset has the script's defaults", async () => {
  const { code } = await train("--preset", "script", ...PICTURES, "--max-train-steps", "1", "--output-dir", "script");
  expect(code).toBe(0);
  const [first] = await metricsOf("script");
  expect(first?.learningRate).toBe(0);
  const { scheduler } = await DDPMPipeline.fromPretrained(join(folder, "script"));
  expect(scheduler.config).toMatchObject({ betaSchedule: "linear", predictionType: "epsilon" });
});

test("other parts of the recipe reach the trainer", async () => {
  const losses = async (...args: string[]) => {
    const output = `variant-${args.join("")}`.replaceAll("-", "");
    const { code, stderr } = await train(...PICTURES, ...args, "--max-train-steps", "2", "--output-dir", output);
    expect(code, stderr).toBe(0);
    return (await metricsOf(output)).map(({ loss }) => loss);
  };
  const plain = await losses();
  expect(await losses("--gradient-checkpointing")).toEqual(plain.map((loss) => expect.closeTo(loss as number, 4)));
  for (const args of [
    ["--snr-gamma", "5"],
    ["--noise-offset", "0.5"],
    ["--input-perturbation", "0.5"],
  ]) {
    expect(await losses(...args)).not.toEqual(plain);
  }
});

test("a model's configuration can come from a file, and makes pictures grey", async () => {
  const grey = { ...(await UNet2DModel.loadConfig(join(folder, "small"))), inChannels: 1, outChannels: 1 };
  using model = await UNet2DModel.create(grey);
  await model.savePretrained(join(folder, "grey"));
  const config = ["--model-config-name-or-path", join("grey", "config.json"), "--max-train-steps", "1"];
  const { code } = await run(["train", ...TINY, ...PICTURES, ...config, "--output-dir", "in-grey"], folder);
  expect(code).toBe(0);
  using unet = (await DDPMPipeline.fromPretrained(join(folder, "in-grey"))).unet;
  expect(unet.config).toMatchObject({ inChannels: 1, blockOutChannels: [8, 8], sampleSize: 8 });
  expect(Image.decode(await readFile(join(folder, "in-grey/samples.png"))).channels).toBe(1);
});

describe("going on from a pipeline", () => {
  beforeAll(async () => {
    using unet = await UNet2DModel.create(CONFIG, { generator: new Generator(5) });
    const scheduler = new DDPMScheduler({ betaSchedule: "sigmoid", predictionType: "v_prediction" });
    await new DDPMPipeline({ unet, scheduler }).savePretrained(join(folder, "trained"));
  });

  const finetune = (...args: string[]): Promise<Outcome> => {
    const source = ["--pretrained-model-name-or-path", "trained", ...PICTURES, "--train-batch-size", "2"];
    const short = ["--max-train-steps", "1", "--eval-batch-size", "2", "--ddpm-num-inference-steps", "2"];
    return run(["train", ...source, ...short, ...args], folder);
  };

  test("keeps its weights, its size and its noise schedule", async () => {
    const { code, stderr } = await finetune("--learning-rate", "0", "--output-dir", "tuned");
    expect(code, stderr).toBe(0);
    expect(await weightsOf("tuned/unet")).toEqual(await weightsOf("trained/unet"));
    const { scheduler } = await DDPMPipeline.fromPretrained(join(folder, "tuned"));
    expect(scheduler.config).toMatchObject({ betaSchedule: "sigmoid", predictionType: "v_prediction" });
    const report = await readFile(join(folder, "tuned/report.html"), "utf8");
    expect(report).toContain("sigmoid");
  });

  test("flags win over its noise schedule, another size is refused", async () => {
    await finetune("--prediction-type", "epsilon", "--output-dir", "tuned-other");
    const { scheduler } = await DDPMPipeline.fromPretrained(join(folder, "tuned-other"));
    expect(scheduler.config).toMatchObject({ betaSchedule: "sigmoid", predictionType: "epsilon" });
    const { code, stderr } = await finetune("--resolution", "16");
    expect(code).toBe(2);
    expect(stderr).toMatch(/--resolution: expected the 8 of the pretrained model, got 16 \[Usage\]/);
  });
});

describe("classes", () => {
  beforeAll(async () => {
    for (const [index, name] of ["cats", "dogs"].entries()) {
      await mkdir(join(folder, "animals", name), { recursive: true });
      const images = imagesFromTensor(new Generator(index).rand([2, 3, 8, 8]));
      for (const [k, image] of images.entries()) await image.save(join(folder, "animals", name, `${k}.png`));
    }
    const animals = ["--train-data-dir", "animals", "--class-labels", "folder"];
    const { code, stderr } = await train(...animals, "--max-train-steps", "2", "--output-dir", "classes");
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("4 pictures, 8 × 8, 2 classes");
  });

  test("are learned from the names of folders", async () => {
    using unet = (await DDPMPipeline.fromPretrained(join(folder, "classes"))).unet;
    expect(unet.config.numClassEmbeds).toBe(2);
    expect(JSON.parse(await readFile(join(folder, "classes/classes.json"), "utf8"))).toEqual(["cats", "dogs"]);
  });

  test("are drawn as asked for, in turn where not", async () => {
    const sample = (...args: string[]) =>
      run(["sample", "--pipeline", "classes", "--num-images", "2", "--num-inference-steps", "2", ...args], folder);
    const read = (name: string) => readFile(join(folder, name));
    await sample("--output", "turns.png");
    await sample("--output", "named.png", "--class-labels", "0,1");
    const { code } = await sample("--output", "cats.png", "--class-labels", "0");
    expect(code).toBe(0);
    expect(await read("named.png")).toEqual(await read("turns.png"));
    expect(await read("cats/0001.png")).toEqual(await read("turns/0001.png"));
    expect(await read("cats/0002.png")).not.toEqual(await read("turns/0002.png"));
    const beyond = await sample("--class-labels", "2");
    expect(beyond.stderr).toMatch(/classLabels: expected whole numbers from 0 to 1, got 2 \[InvalidArgument\]/);
  });

  test("are refused of a pipeline without", async () => {
    await train(...PICTURES, "--max-train-steps", "1", "--output-dir", "plain");
    const { code, stderr } = await run(["sample", "--pipeline", "plain", "--class-labels", "0"], folder);
    expect(code).toBe(2);
    expect(stderr).toContain("--class-labels: the pipeline's model has no classes");
  });
});

test.each([
  ["--lr-scheduler cosin", /Allowed choices are linear, cosine, cosine_with_restarts/],
  ["--class-labels folder", /built-in butterflies have no classes/],
  ["--image-column photo", /--image-column: the built-in butterflies have no columns/],
  ["--streaming", /built-in butterflies are not on disk/],
  ["--channels 2", /Expected 1 \(grey\) or 3 \(colour\)/],
  ["--model-config-name-or-path a --pretrained-model-name-or-path b", /cannot be used with/],
  ["--gradient-accumulation-steps 0", /at least 1/],
  ["--nan ignore", /Allowed choices are stop, skip/],
])("wrong usage: %s", async (args, message) => {
  const { code, stderr } = await run(["train", ...args.split(" ")], folder);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test("a configuration that is missing or another class's is refused", async () => {
  const missing = await train("--model-config-name-or-path", "nowhere");
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/nowhere.*config\.json.*\[MissingFile\]/) });
  await writeFile(join(folder, "config.json"), '{"_class_name": "AutoencoderKL"}');
  const other = await train("--model-config-name-or-path", "config.json");
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/AutoencoderKL.*\[InvalidFile\]/) });
});
