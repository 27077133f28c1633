import { access, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DDPMPipeline, Image, UNet2DModel } from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, type Outcome, run, start } from "./command-line.js";

/** Seconds in all: small pictures, few of them, few steps. */
const TINY = [
  ...["--train-data-dir", "pictures", "--resolution", "8", "--train-batch-size", "2", "--eval-batch-size", "2"],
  ...["--ddpm-num-inference-steps", "2", "--save-images-epochs", "1"],
];

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

let folder: string;
beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
});
afterAll(() => rm(folder, { recursive: true }));

describe("train", () => {
  let outcome: Outcome;
  let output: string;
  beforeAll(async () => {
    output = join(folder, "run");
    outcome = await run(["train", ...TINY, "--num-epochs", "2", "--seed", "3", "--output-dir", "run"], folder);
  });

  test("succeeds and says where everything lies", () => {
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout).toMatch(
      /pipeline +run .*\nsamples +run\/samples.png\nloss +run\/loss.svg\nreport +run\/report.html\n/,
    );
  });

  test("prints plain lines where standard error is no terminal", () => {
    expect(outcome.stderr).toContain("4 pictures, 8 × 8");
    expect(outcome.stderr).toMatch(/^training 4\/4 {2}epoch 2\/2 {2}loss \d+\.\d{4} {2}[\d.]+ images\/s {2}took /m);
    expect(outcome.stderr).not.toContain("\u001b");
    expect(outcome.stderr).not.toContain("\r");
  });

  test("writes one line of JSON a step", async () => {
    const metrics = lines(await readFile(join(output, "metrics.jsonl"), "utf8")).map((line) => JSON.parse(line));
    expect(metrics.map(({ step, epoch }) => [step, epoch])).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 2],
    ]);
    for (const { loss, learningRate, imagesPerSecond, seconds } of metrics) {
      expect(loss).toBeGreaterThan(0);
      expect(learningRate).toBe(1e-3);
      expect(imagesPerSecond).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(0);
    }
  });

  test("leaves a pipeline, the same for the same seed", async () => {
    const again = await run(["train", ...TINY, "--num-epochs", "2", "--seed", "3", "--output-dir", "again"], folder);
    expect(again.code).toBe(0);
    const weights = "unet/diffusion_pytorch_model.safetensors";
    const [first, second] = await Promise.all(
      [output, join(folder, "again")].map((run) => readFile(join(run, weights))),
    );
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
    using unet = (await DDPMPipeline.fromPretrained(output)).unet;
    expect(unet).toBeInstanceOf(UNet2DModel);
    expect(unet.config.sampleSize).toBe(8);
  });

  test("draws a grid after each epoch and a large one at the end", async () => {
    expect(await readdir(join(output, "samples"))).toEqual(["step-000002.png", "step-000004.png"]);
    const grid = Image.decode(await readFile(join(output, "samples/step-000004.png")));
    expect([grid.width, grid.height]).toEqual([22, 12]);
    const samples = Image.decode(await readFile(join(output, "samples.png")));
    expect([samples.width, samples.height]).toEqual([262, 132]);
  });

  test("names a picture that does not decode and goes on without it", async () => {
    await writeFile(join(folder, "pictures/broken.png"), "no picture");
    const { code, stderr } = await run(["train", ...TINY, "--max-train-steps", "1", "--output-dir", "warned"], folder);
    await rm(join(folder, "pictures/broken.png"));
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: .*broken\.png/m);
    expect(stderr).toContain("4 pictures");
  });

  test("into a used folder leaves nothing of the run before", async () => {
    const used = ["train", ...TINY, "--output-dir", "used"];
    await run([...used, "--num-epochs", "2"], folder);
    expect(await readdir(join(folder, "used/samples"))).toEqual(["step-000002.png", "step-000004.png"]);
    await run([...used, "--num-epochs", "1"], folder);
    expect(await readdir(join(folder, "used/samples"))).toEqual(["step-000002.png"]);
    expect(lines(await readFile(join(folder, "used/metrics.jsonl"), "utf8"))).toHaveLength(2);
  });

  test("writes a loss plot and a report with the command that makes the same run", async () => {
    expect(await readFile(join(output, "loss.svg"), "utf8")).toMatch(/^<svg .*<\/svg>$/s);
    const report = await readFile(join(output, "report.html"), "utf8");
    expect(report).toContain("npx emberwing train --preset quick --dataset-name ./pictures --resolution 8 ");
    expect(report).toContain(" --output-dir run --seed 3 ");
    expect(report).not.toContain("Stopped before");
  });
});

describe("Ctrl-C", () => {
  test("stops after the step and leaves a pipeline that loads", async () => {
    const endless = start(["train", ...TINY, "--max-train-steps", "100000", "--output-dir", "stopped"], folder);
    await endless.says(/^training \d+\/100000/m);
    endless.process.kill("SIGINT");
    const { code, stderr } = await endless.outcome;
    expect(stderr).toContain("stopping after this step");
    expect(code).toBe(0);
    using unet = (await DDPMPipeline.fromPretrained(join(folder, "stopped"))).unet;
    expect(unet.countParameters()).toBeGreaterThan(0);
    expect(await readFile(join(folder, "stopped/report.html"), "utf8")).toContain("Stopped before step 100000");
    expect(await exists(join(folder, "stopped/samples.png"))).toBe(false);
  });

  test("pressed twice exits at once", async () => {
    // Steps of many seconds: the first stop cannot be done before the second press.
    const large = ["--train-data-dir", "pictures", "--resolution", "256", "--train-batch-size", "4"];
    const slow = start(["train", ...large, "--output-dir", "killed"], folder);
    await slow.says(/4 pictures/);
    await new Promise((resolve) => setTimeout(resolve, 100));
    slow.process.kill("SIGINT");
    await slow.says(/stopping/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    slow.process.kill("SIGINT");
    expect((await slow.outcome).code).toBe(130);
  });
});

describe("sample", () => {
  const sample = (...args: string[]): Promise<Outcome> =>
    run(["sample", "--pipeline", "run", "--num-inference-steps", "2", ...args], folder);

  test("writes a sheet and single pictures, the same for the same seed", async () => {
    const { code, stdout } = await sample("--num-images", "3", "--eval-batch-size", "2", "--output", "drawn/a.png");
    expect(code).toBe(0);
    expect(stdout).toBe("sheet     drawn/a.png\npictures  drawn/a\n");
    expect(await readdir(join(folder, "drawn/a"))).toEqual(["0001.png", "0002.png", "0003.png"]);
    await sample("--num-images", "3", "--eval-batch-size", "2", "--output", "drawn/b.png");
    const [a, b] = await Promise.all(["a", "b"].map((name) => readFile(join(folder, `drawn/${name}.png`))));
    expect(a).toEqual(b);
  });

  test("takes another scheduler", async () => {
    await sample("--num-images", "1", "--output", "ddpm.png");
    const { code } = await sample("--num-images", "1", "--scheduler", "ddim", "--output", "ddim.png");
    expect(code).toBe(0);
    expect(await readFile(join(folder, "ddim.png"))).not.toEqual(await readFile(join(folder, "ddpm.png")));
  });

  test("knows schedulers by short names and by diffusers' classes", async () => {
    const draw = async (name: string, file: string): Promise<Buffer> => {
      const args = ["--pipeline", "run", "--num-images", "1", "--steps", "3", "--scheduler", name, "--output", file];
      expect(await run(["sample", ...args], folder)).toMatchObject({ code: 0 });
      return readFile(join(folder, file));
    };
    const short = await draw("DPM++ 2M", "short.png");
    expect(await draw("DPMSolverMultistepScheduler", "class.png")).toEqual(short);
    expect(await draw("dpm++_2m_karras", "karras.png")).not.toEqual(short);
  });
});

describe("info", () => {
  test("says what a pipeline folder holds", async () => {
    const { code, stdout } = await run(["info", "run"], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^pipeline +DDPMPipeline$/m);
    expect(stdout).toMatch(/^scheduler +DDPMScheduler$/m);
    expect(stdout).toMatch(/^beta schedule +squaredcos_cap_v2$/m);
    expect(stdout).toMatch(/^image size +8 × 8$/m);
    expect(stdout).toMatch(/^parameters +[\d,]+$/m);
  });

  test("reads a model folder too", async () => {
    const { code, stdout } = await run(["info", join("run", "unet")], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model +UNet2DModel$/m);
  });

  test("without a folder lists versions and devices", async () => {
    const { code, stdout } = await run(["info"], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^emberwing +\d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/^devices +cpu/m);
  });
});

describe("help", () => {
  test.each([["--help"], ["train --help"], ["sample --help"], ["studio --help"], ["info --help"]])(
    "%s has examples",
    async (args) => {
      const { code, stdout } = await run(args.split(" "), folder);
      expect(code).toBe(0);
      expect(stdout).toContain("Examples:\n  emberwing ");
    },
  );

  test("is shown where no command is given, which is wrong usage", async () => {
    const { code, stderr } = await run([], folder);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: emberwing/);
  });
});

describe("wrong usage is one line and exit code 2", () => {
  test.each([
    ["trian", /unknown command 'trian' \(Did you mean train\?\)/],
    ["train --resoluton 32", /unknown option '--resoluton' \(Did you mean --resolution\?\)/],
    ["train --resolution small", /'small' is invalid\. Expected a whole number of at least 1/],
    ["train --learning-rate -1", /'-1' is invalid\. Expected a number of at least 0/],
    ["train --adam-beta1 1", /'1' is invalid\. Expected a number of at least 0 and below 1/],
    ["train --preset slow", /'slow' is invalid\. Allowed choices are quick, course/],
    ["train --resolution 30", /--resolution: expected a multiple of 8 for this preset's model, got 30/],
    ["train --ddpm-num-steps 10 --ddpm-num-inference-steps 11", /expected at most the 10 of --ddpm-num-steps, got 11/],
    ["train --device gpu:7", /--device: expected one of "cpu".*, got "gpu:7"/],
    ["train --mixed-precision int8", /'int8' is invalid\. Allowed choices are no, fp16, bf16/],
    ["train --dataset-name butterflies --train-data-dir pictures", /cannot be used with/],
    ["train extra", /too many arguments/],
    ["sample", /required option '--pipeline <folder>' not specified/],
    [
      "sample --pipeline run --scheduler dpm+",
      /--scheduler <name>' argument 'dpm\+' is invalid\. Expected one of ddpm, ddim, .*UniPCMultistepScheduler/,
    ],
    ["sample --pipeline run --steps 0", /--num-inference-steps <n>' argument '0' is invalid/],
    ["sample --pipeline run --output samples.gif", /--output: expected a name that ends in \.png/],
  ])("%s", async (args, message) => {
    const { code, stdout, stderr } = await run(args.split(" "), folder);
    expect(lines(stderr)).toEqual([expect.stringMatching(/^emberwing: .* \[Usage\]$/)]);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});

describe("a failure is one line with a code, and exit code 1", () => {
  test.each([
    ["train --train-data-dir nowhere --output-dir out", /nowhere.* \[MissingFile\]/],
    ["train --device auto --train-data-dir nowhere --output-dir out", /nowhere.* \[MissingFile\]/],
    ["sample --pipeline nowhere", /nowhere.* \[MissingFile\]/],
    ["sample --pipeline run --mixed-precision fp16", /dtype: "float16" is for graphics cards.* cpu;.* \[Unsupported\]/],
    ["info nowhere", /nowhere: expected .*model_index\.json.* \[MissingFile\]/],
    [
      "train --train-data-dir pictures --output-dir a-file/inside",
      /a-file\/inside.*cannot be written.* \[WriteFailed\]/,
    ],
    ["sample --pipeline run --output a-file/inside.png", /a-file\/inside.*cannot be written.* \[WriteFailed\]/],
  ])("%s", async (args, message) => {
    const { code, stderr } = await run(args.split(" "), folder);
    expect(lines(stderr)).toEqual([expect.stringMatching(/^emberwing: .*\]$/)]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });

  test("an output folder that cannot be written is found before any picture is loaded", async () => {
    const { stderr } = await run(["train", "--train-data-dir", "nowhere", "--output-dir", "a-file/inside"], folder);
    expect(stderr).toContain("WriteFailed");
    expect((await stat(join(folder, "a-file"))).isFile()).toBe(true);
  });
});
