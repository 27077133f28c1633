import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DDPMPipeline, Image } from "emberwing";
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

test("course-unit-1.ts goes through the notebook and leaves every figure", async () => {
  vi.stubEnv("OUTPUT", join(folder, "course"));
  await import("../../examples/course-unit-1.js");
  expect((await readdir(join(folder, "course"))).sort()).toEqual([
    "02-training-images.png",
    "03-schedule-cosine.svg",
    "03-schedule-default.svg",
    "03-schedule-too-little-noise.svg",
    "04-noisy-images.png",
    "05-noise-levels.png",
    "06-losses.svg",
    "07-sample.png",
    "08-samples-by-hand.png",
    "09-reloaded.png",
    "my_pipeline",
  ]);
  expect(await readFile(join(folder, "course/my_pipeline/README.md"), "utf8")).toContain("diffusion-models-class");
});

test("train-butterflies.ts leaves a pipeline, and the others go on with it", async () => {
  vi.stubEnv("OUTPUT", join(folder, "by-trainer"));
  await import("../../examples/train-butterflies.js");
  vi.stubEnv("PIPELINE", join(folder, "by-trainer", "my_pipeline"));
  await import("../../examples/sample.js");
  vi.stubEnv("PICTURES", "butterflies");
  await import("../../examples/finetune.js");
  const written = ["after.png", "before.png", "butterflies.png", "ddim.png", "ddpm.png", "finetuned", "my_pipeline"];
  expect(await readdir(join(folder, "by-trainer"))).toEqual(written);
});

test("class-conditional.ts draws a row for each class", async () => {
  vi.stubEnv("OUTPUT", join(folder, "classes"));
  await import("../../examples/class-conditional.js");
  const grid = Image.decode(await readFile(join(folder, "classes/shapes.png")));
  expect([grid.width, grid.height, grid.channels]).toEqual([8 * 18 + 2, 3 * 18 + 2, 1]);
});

test("express-server.ts draws in turn, refuses nonsense, and forgets clients that went away", async () => {
  vi.stubEnv("PORT", "0");
  vi.stubEnv("PIPELINE", join(folder, "by-trainer", "my_pipeline"));
  const { server } = await import("../../examples/express-server.js");
  if (!server.listening) await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const get = (path: string, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${port}${path}`, signal ? { signal } : {});
  try {
    const [first, second] = await Promise.all([get("/image?seed=7&steps=2"), get("/image?seed=7&steps=2")]);
    expect(first.headers.get("content-type")).toBe("image/png");
    const [one, two] = [new Uint8Array(await first.arrayBuffer()), new Uint8Array(await second.arrayBuffer())];
    expect(Image.decode(one).width).toBe(16);
    expect(one).toEqual(two);
    expect((await get("/image?seed=x")).status).toBe(400);
    expect((await get("/image?steps=100000")).status).toBe(400);

    const gone = new AbortController();
    const abandoned = [get("/image?steps=1000", gone.signal), get("/image?steps=1000", gone.signal)];
    const waiting = async () => (await (await get("/queue")).json()).waiting;
    await vi.waitFor(async () => expect(await waiting()).toBe(2));
    gone.abort();
    await Promise.allSettled(abandoned);
    // The one under way ends with its step, the one that waited is not begun.
    await vi.waitFor(async () => expect(await waiting()).toBe(0));
  } finally {
    server.close();
    server.closeAllConnections();
  }
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
