/** `report.html` and `run.json` while a run goes on, and after each way of ending. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, run, start } from "./command-line.js";

const TINY = [
  ...["--train-data-dir", "pictures", "--resolution", "8", "--train-batch-size", "2", "--eval-batch-size", "2"],
  ...["--ddpm-num-inference-steps", "2", "--save-images-epochs", "1"],
];
const REFRESH = '<meta http-equiv="refresh"';

let folder: string;
beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
});
afterAll(() => rm(folder, { recursive: true }));

const read = (output: string): Promise<string> =>
  readFile(join(folder, output, "report.html"), "utf8").catch(() => "not written yet");

/** The report once it matches; every one that is read on the way must be whole. */
async function reportThat(pattern: RegExp, output: string): Promise<string> {
  for (;;) {
    const html = await read(output);
    if (html !== "not written yet") expect(html.endsWith("</html>\n")).toBe(true);
    if (pattern.test(html)) return html;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("a run that goes on", () => {
  test("is followed by a page that loads itself again, until it is stopped", async () => {
    const going = start(["train", ...TINY, "--max-train-steps", "100000", "--output-dir", "going"], folder);
    const first = await reportThat(/Training, step 0 of 100000 \(at /, "going");
    expect(first).toContain(REFRESH);
    expect(first).not.toContain("from_pretrained");
    const later = await reportThat(/Training, step [1-9]\d* of 100000, \d+ (s|min|h).* left/, "going");
    expect(later).toContain('alt="Samples after epoch 1, step 2"');
    expect(later).toContain("<polyline");
    going.process.kill("SIGINT");
    expect((await going.outcome).code).toBe(0);
    const last = await read("going");
    expect(last).not.toContain(REFRESH);
    expect(last).toContain("Stopped before step 100000");
    expect(last).toContain("from_pretrained");
  });

  test("says so while the last samples are drawn", async () => {
    const slow = ["--ddpm-num-inference-steps", "1000", "--max-train-steps", "1", "--output-dir", "drawing"];
    const drawing = start(["train", ...TINY, ...slow], folder);
    expect(await reportThat(/Drawing the last samples/, "drawing")).toContain(REFRESH);
    drawing.process.kill("SIGINT");
    expect((await drawing.outcome).code).toBe(0);
    expect(await read("drawing")).not.toContain(REFRESH);
  });

  test("that fails says why, and does not load itself again", async () => {
    const diverging = ["--learning-rate", "1e30", "--max-train-steps", "50", "--output-dir", "failed"];
    const { code } = await run(["train", ...TINY, ...diverging], folder);
    expect(code).toBe(1);
    const html = await read("failed");
    expect(html).toMatch(/Failed after step \d+ of 50: .*(NaN|infinite)/);
    expect(html).not.toContain(REFRESH);
  });
});

test("what a killed run was writing goes with the next one", async () => {
  await run(["train", ...TINY, "--max-train-steps", "1", "--output-dir", "swept"], folder);
  const half = ".0d8f4f0a-3f0c-4b0e-8f53-2f3c2ad3a4a1.tmp";
  await writeFile(join(folder, "swept", half), "<!doctype");
  await run(["train", ...TINY, "--max-train-steps", "1", "--output-dir", "swept"], folder);
  expect(await readdir(join(folder, "swept"))).not.toContain(half);
});

test("run.json says what the run is", async () => {
  await run(["train", ...TINY, "--max-train-steps", "3", "--seed", "5", "--output-dir", "told"], folder);
  const record = JSON.parse(await readFile(join(folder, "told/run.json"), "utf8"));
  expect(record).toMatchObject({
    ...{ plannedSteps: 3, images: 4, command: expect.stringContaining("npx emberwing train --preset quick ") },
    settings: { seed: 5, resolution: 8, trainBatchSize: 2, learningRate: 1e-3, device: "cpu" },
    model: { sampleSize: 8, inChannels: 3, blockOutChannels: [32, 64, 128, 128] },
  });
  expect(Math.abs(Date.now() - Date.parse(record.began))).toBeLessThan(60_000);
});
