/** A long run holds no more memory at its end than after its beginning. */
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { folderWithPictures, start } from "./command-line.js";

const MEGABYTE = 2 ** 20;

/** Otherwise the collector lets garbage lie while there is room, which looks like a leak. */
const HEAP = ["--max-semi-space-size=1", "--max-old-space-size=48"];

// Where the memory of another process is a file.
test.runIf(process.platform === "linux")("2,000 steps with level memory", { timeout: 300_000 }, async () => {
  const folder = await folderWithPictures(8, 16);
  using small = await UNet2DModel.create({
    ...{ sampleSize: 16, layersPerBlock: 1, blockOutChannels: [16, 16], normNumGroups: 4 },
    ...{ downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"], upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"] },
  });
  await small.savePretrained(join(folder, "small"));
  const run = start(
    [
      ...["train", "--train-data-dir", "pictures", "--model-config-name-or-path", "small", "--resolution", "16"],
      ...["--train-batch-size", "8", "--max-train-steps", "2000", "--save-images-epochs", "100", "--use-ema"],
      ...["--checkpointing-steps", "5000", "--eval-batch-size", "2"],
      ...["--ddpm-num-inference-steps", "2", "--max-grad-norm", "1", "--output-dir", "long"],
    ],
    folder,
    HEAP,
  );
  const memory: { bytes: number; written: number }[] = [];
  while (run.process.exitCode === null) {
    const status = await readFile(`/proc/${run.process.pid}/status`, "utf8").catch(() => "");
    const written = await stat(join(folder, "long/metrics.jsonl")).then(
      ({ size }) => size,
      () => 0,
    );
    const resident = Number(/VmRSS:\s*(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
    if (resident > 0 && written > 0) memory.push({ bytes: resident, written });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { code, stderr } = await run.outcome;
  expect(code, stderr).toBe(0);
  const log = (await stat(join(folder, "long/metrics.jsonl"))).size;
  /** The median of a part of the run, of which the length of the log is a measure. */
  const typical = (from: number, to: number): number => {
    const part = memory.filter(({ written }) => written > from * log && written <= to * log);
    const sorted = part.map(({ bytes }) => bytes).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  expect(memory.length).toBeGreaterThan(20);
  const [early, late] = [typical(0.25, 0.5), typical(0.75, 1)];
  // A single batch that was forgotten at every step would be 24 MB.
  expect(late - early, `${early / MEGABYTE} MB, then ${late / MEGABYTE} MB`).toBeLessThan(10 * MEGABYTE);
  await rm(folder, { recursive: true });
});
