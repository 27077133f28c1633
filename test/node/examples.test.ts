import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DDPMPipeline } from "emberwing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { fixturePath } from "../fixtures.js";
import { schedulerClasses } from "../scheduler-classes.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emberwing-examples-"));
  vi.stubEnv("TINY", "1");
  vi.stubEnv("STEPS", "2");
  vi.spyOn(console, "log").mockReturnValue();
});
afterAll(() => rm(folder, { recursive: true }));

test("train.ts trains by hand, draws and saves", async () => {
  vi.stubEnv("OUTPUT", join(folder, "by-hand"));
  await import("../../examples/train.js");
  const written = await readdir(join(folder, "by-hand"));
  expect(written).toEqual(["butterflies.png", "loss.svg", "my_pipeline", "noise-levels.png"]);
});

test("trainer.ts leaves a pipeline, and sample.ts draws with it", async () => {
  vi.stubEnv("OUTPUT", join(folder, "by-trainer"));
  await import("../../examples/trainer.js");
  vi.stubEnv("PIPELINE", join(folder, "by-trainer", "my_pipeline"));
  await import("../../examples/sample.js");
  expect(await readdir(join(folder, "by-trainer"))).toEqual(["ddim.png", "ddpm.png", "my_pipeline"]);
});

test("samplers.ts paints with every scheduler, or says why it does not", async () => {
  vi.stubEnv("OUTPUT", folder);
  vi.stubEnv("STEPS", "4,5");
  vi.stubEnv("PIPELINE", fixturePath("pipelines/ddpm"));
  await import("../../examples/samplers.js");
  const sheet = await readFile(join(folder, "samplers.svg"), "utf8");
  const labels = [...sheet.matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text).join(" ");
  for (const name of Object.keys(schedulerClasses)) expect(labels).toContain(name);
  expect(sheet.match(/data:image\/png;base64,iVBOR/g)).toHaveLength(2 * 18);
});

test("the README's program runs as it stands but for its sizes", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const sizes: [string, string][] = [
    ["[64, 128, 128, 256]", "[32, 32, 32, 64]"],
    ["sampleSize: 32", "sampleSize: 8"],
    ["resolution: 32", "resolution: 8, size: 4"],
    ["epoch < 30", "epoch < 1"],
    ["batchSize: 64", "batchSize: 4"],
    ["numInferenceSteps: 1000", "numInferenceSteps: 2"],
    ['"butterflies.png"', JSON.stringify(join(folder, "readme.png"))],
    ['"my_pipeline"', JSON.stringify(join(folder, "readme_pipeline"))],
  ];
  const small = sizes.reduce((text, [from, to]) => {
    expect(text).toContain(from);
    return text.replace(from, to);
  }, program);
  await writeFile(join(folder, "readme.ts"), small);
  await import(pathToFileURL(join(folder, "readme.ts")).href);
  using unet = (await DDPMPipeline.fromPretrained(join(folder, "readme_pipeline"))).unet;
  expect(unet.config.blockOutChannels).toEqual([32, 32, 32, 64]);
  expect((await readFile(join(folder, "readme.png"))).length).toBeGreaterThan(0);
});
