/** TensorBoard itself reads the log of a run, also of one that was killed and resumed. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UNet2DModel } from "emberwing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonProblem, runPython } from "../python.js";
import { folderWithPictures, run, start } from "./command-line.js";

const missing = pythonProblem("tensorboard.backend.event_processing.event_accumulator");
if (missing) console.warn(`skipped: ${missing}`);

let folder: string;
beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
  using small = await UNet2DModel.create({
    ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
    ...{ downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] },
  });
  await small.savePretrained(join(folder, "small"));
});
afterAll(() => rm(folder, { recursive: true }));

const command = (...more: string[]): string[] => [
  ...[
    "train",
    "--train-data-dir",
    "pictures",
    "--model-config-name-or-path",
    "small",
    "--resolution",
    "8",
    "--use-ema",
  ],
  ...["--train-batch-size", "2", "--eval-batch-size", "2", "--ddpm-num-inference-steps", "2", "--output-dir", "run"],
  ...["--save-images-epochs", "5", "--checkpointing-steps", "4", "--max-train-steps", "20", ...more],
];

interface Events {
  scalars: Record<string, [step: number, value: number][]>;
  images: Record<string, [step: number, width: number, height: number][]>;
}

const metrics = async (): Promise<Record<string, number>[]> =>
  (await readFile(join(folder, "run/metrics.jsonl"), "utf8"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

test("every step once, with the grids of samples", { timeout: 120_000 }, async ({ skip }) => {
  if (missing) skip(missing);
  const killed = start(command(), folder);
  while (killed.process.exitCode === null && (await metrics().catch(() => [])).length < 10) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  killed.process.kill("SIGKILL");
  await killed.outcome;
  expect((await run(command("--resume-from-checkpoint", "latest"), folder)).code).toBe(0);

  const log = join(folder, "run/logs/train_unconditional");
  expect(await readdir(log)).toHaveLength(2);
  runPython(fileURLToPath(new URL("../python/read_events.py", import.meta.url)), log, join(folder, "events.json"));
  const { scalars, images } = JSON.parse(await readFile(join(folder, "events.json"), "utf8")) as Events;
  const lines = await metrics();
  for (const [tag, key] of [
    ["loss", "loss"],
    ["lr", "learningRate"],
    ["grad_norm", "gradNorm"],
    ["ema_decay", "emaDecay"],
    ["images_per_second", "imagesPerSecond"],
  ] as const) {
    expect(
      scalars[tag]?.map(([step]) => step),
      tag,
    ).toEqual(lines.map(({ step }) => step));
    const values = scalars[tag]?.map(([, value]) => value);
    expect(values, tag).toEqual(lines.map((line) => Math.fround(line[key] as number)));
  }
  expect(images.test_samples?.at(-1)).toEqual([20, 22, 12]);
});

test("--logger none leaves no log", async () => {
  await run(command("--logger", "none", "--max-train-steps", "1", "--output-dir", "quiet"), folder);
  expect(await readdir(join(folder, "quiet"))).not.toContain("logs");
});
