/** The page of examples/browser, built as it is published: it paints, trains, keeps and saves, and says what is wrong. */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CHROMIUM_FLAGS, chromium as chromiumPath } from "../../scripts/build/chromium.mjs";
import { type FolderServer, ISOLATION, serveFolder } from "../../scripts/serve-folder.mjs";
import { DDIMPipeline, DDIMScheduler, DDPMPipeline, type PretrainedSource } from "../../ts/src/node.js";
import { maxDifference } from "../closeness.js";

const demo = fileURLToPath(new URL("../../examples/browser", import.meta.url));
const model = join(demo, "public/model");
const program = chromiumPath();

/** What the page paints, by a pipeline in one call. */
async function painted(source: PretrainedSource, options: { seed: number; steps: number }): Promise<number[][]> {
  const { unet, scheduler: trained } = await DDPMPipeline.fromPretrained(source);
  const scheduler = DDIMScheduler.fromConfig(trained, { timestepSpacing: "trailing" });
  const { seed, steps: numInferenceSteps } = options;
  const { images } = await new DDIMPipeline({ unet, scheduler }).generate({ batchSize: 8, numInferenceSteps, seed });
  unet.dispose();
  return images.map(({ data }) => [...data]);
}

describe("the model that the page opens with", () => {
  const weights = join(model, "unet/diffusion_pytorch_model.safetensors");

  test("is a folder as diffusers has them, of 3 MB at most", async () => {
    expect((await readdir(model, { recursive: true })).sort()).toEqual([
      ...["model_index.json", "scheduler", "scheduler/scheduler_config.json", "unet", "unet/config.json"],
      "unet/diffusion_pytorch_model.safetensors",
    ]);
    expect((await readFile(weights)).length).toBeLessThanOrEqual(3_000_000);
  });

  test("has its weights in half precision", async () => {
    const content = await readFile(weights);
    const header = JSON.parse(content.subarray(8, 8 + Number(content.readBigUInt64LE())).toString());
    delete header.__metadata__;
    const types = new Set(Object.values<{ dtype: string }>(header).map(({ dtype }) => dtype));
    expect([...types]).toEqual(["F16"]);
  });
});

describe.skipIf(!program)("the demo page", () => {
  let folder: string;
  let server: FolderServer;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "emberwing-demo-"));
    const outDir = join(folder, "built");
    await build({ configFile: join(demo, "vite.config.ts"), logLevel: "error", build: { outDir } });
    server = await serveFolder(outDir, { headers: ISOLATION });
    browser = await chromium.launch({ executablePath: program as string, args: CHROMIUM_FLAGS });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(folder, { recursive: true });
  });

  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    problems = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      const address = request.url();
      if (!address.startsWith(server.url) && !address.startsWith("blob:")) problems.push(`asked for ${address}`);
    });
    await open();
  });
  afterEach(async () => {
    await context.close();
    expect(problems).toEqual([]);
  });

  async function open(): Promise<void> {
    await page.goto(server.url);
    await expect.poll(() => button("Paint").isEnabled()).toBe(true);
    // Where there is a graphics card, its numbers are its own.
    const device = page.getByRole("combobox", { name: "Computes on" });
    if (await device.isEnabled()) await device.selectOption("cpu");
    await expect.poll(() => button("Paint").isEnabled()).toBe(true);
  }
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const field = (name: string) => page.getByRole("spinbutton", { name });

  /** Bytes of RGB, as the canvases hold them. */
  const pictures = (id: string): Promise<number[][]> =>
    page.evaluate((id) => {
      const canvases = [...document.querySelectorAll<HTMLCanvasElement>(`#${id} canvas`)];
      return canvases.map((canvas) => {
        const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        return [...pixels].filter((_, index) => index % 4 < 3);
      });
    }, id);

  async function paint({ seed, steps }: { seed: number; steps: number }): Promise<number[][]> {
    await field("Seed").fill(String(seed));
    await page.getByRole("slider", { name: /^Steps/ }).fill(String(steps));
    await button("Paint").click();
    await expect.poll(() => page.locator("#paint-status").textContent()).toMatch(`from seed ${seed}.`);
    return pictures("gallery");
  }

  async function setTraining(preset: string, numbers: Record<string, number>): Promise<void> {
    await page.getByRole("radio", { name: preset }).check();
    for (const [name, value] of Object.entries(numbers)) await field(name).fill(String(value));
  }

  const loss = () => page.locator("#loss").getAttribute("aria-label");

  test("paints at the first click what Node paints with the same model", async () => {
    const here = await paint({ seed: 3, steps: 5 });
    expect(here).toHaveLength(8);
    expect(maxDifference(here.flat(), (await painted(model, { seed: 3, steps: 5 })).flat())).toBeLessThanOrEqual(1);
  });

  test("shows what it painted also to those who did not wait for the noise", async () => {
    await page.goto(server.url);
    await page.evaluate(async () => {
      const paint = document.querySelector<HTMLButtonElement>("#paint-form button");
      while (paint?.disabled) await new Promise((next) => setTimeout(next));
      paint?.click();
    });
    await expect.poll(() => page.locator("#paint-status").textContent()).toMatch("from seed");
    expect(await page.locator("#gallery").getAttribute("class")).not.toMatch("waiting");
    expect(await page.locator("#gallery").getAttribute("aria-label")).toMatch("pictures");
  });

  test("opens a folder, and saves to one", async () => {
    await page.locator("#open-folder").setInputFiles(model);
    await expect
      .poll(() => page.locator("#model-name").textContent())
      .toMatch(/^model: 32 × 32, 1\.4 million weights$/);
    // In place of the browser's own window.
    await page.evaluate(async () => {
      const saved = await (await navigator.storage.getDirectory()).getDirectoryHandle("saved", { create: true });
      Object.assign(window, { showDirectoryPicker: async () => saved });
    });
    await button("Save to a folder …").click();
    const index = () =>
      page.evaluate(async () => {
        const saved = await (await navigator.storage.getDirectory()).getDirectoryHandle("saved");
        const file = await saved.getFileHandle("model_index.json").catch(() => undefined);
        return (await file?.getFile())?.text() ?? "";
      });
    await expect.poll(index).toContain('"DDPMPipeline"');
  });

  test("trains a new model, whose download paints the same in Node", async () => {
    await setTraining("New, 16 × 16", { Steps: 20, "Samples every": 10, Batch: 4 });
    await button("Train").click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/^Loss: [\d.]+ at step 20 of 20$/);
    await expect.poll(() => button("Train").isEnabled()).toBe(true);
    await page.getByRole("radio", { name: "Logarithmic" }).check({ force: true });
    expect(await loss()).toMatch(/^Loss, logarithmic: [\d.]+ at step 20/);
    const slider = page.getByRole("slider", { name: "after step" });
    const last = await pictures("samples");
    expect(last).toHaveLength(6);
    expect(await page.locator("#samples").getAttribute("aria-label")).toBe("6 samples after step 20");
    await slider.fill("0");
    expect(await page.locator("#samples").getAttribute("aria-label")).toBe("6 samples after step 0");
    expect(await pictures("samples")).not.toEqual(last);

    const here = await paint({ seed: 7, steps: 10 });
    const download = page.waitForEvent("download");
    await button("Download model").click();
    const zip = await readFile(await (await download).path());
    const there = await painted(new Blob([zip]), { seed: 7, steps: 10 });
    expect(there[0]).toHaveLength(16 * 16 * 3);
    expect(maxDifference(here.flat(), there.flat())).toBeLessThanOrEqual(1);

    await page.locator("#open-zip").setInputFiles({ name: "mine.zip", mimeType: "application/zip", buffer: zip });
    await expect.poll(() => page.locator("#model-name").textContent()).toMatch(/^mine: 16 × 16/);
    expect(await paint({ seed: 7, steps: 10 })).toEqual(here);
  });

  test("teaches the butterfly model own pictures, and names files that are none", async () => {
    const bytes = await page.evaluate(async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 50 });
      canvas.getContext("2d")?.fillRect(10, 10, 20, 20);
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
      return [...new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0))];
    });
    const drop = (files: { name: string; bytes: number[] }[]) =>
      page.evaluate((files) => {
        const dataTransfer = new DataTransfer();
        for (const { name, bytes } of files) dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
        document.querySelector("#pictures")?.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
      }, files);
    const notes = { name: "notes.txt", bytes: [...Buffer.from("not a picture")] };

    await page.getByRole("radio", { name: "Go on with this model" }).check();
    await drop([notes]);
    const alert = page.getByRole("alert");
    await expect.poll(() => alert.textContent()).toMatch(/None of these files .* notes\.txt/);
    expect(await page.getByRole("radio", { name: /^Butterflies/ }).isChecked()).toBe(true);
    await drop([{ name: "square.png", bytes }, notes]);
    await expect.poll(() => page.locator("#picture-count").textContent()).toBe("1 picture, at 32 × 32");
    expect(await page.locator("#left-out").textContent()).toMatch(/^1 file was left out:notes\.txt/);
    expect(await pictures("noised")).toHaveLength(6);

    await setTraining("Go on with this model", { Steps: 40, "Samples every": 40, Batch: 1 });
    await button("Train").click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/at step \d+ of 40$/);
    await button("Stop").click();
    await expect.poll(() => page.locator("#run-status").textContent()).toBe("Training was stopped.");
    await open();
    await button("Go on").click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/at step 40 of 40$/);
    await expect.poll(() => page.locator("#run-status").textContent()).toMatch(/^Training is done/);
    expect(await page.locator("#model-name").textContent()).toMatch(/^Your model: 32 × 32/);
  });

  test("pauses, and goes on after a reload from its last checkpoint", async () => {
    await setTraining("New, 16 × 16", { Steps: 40, "Samples every": 40, Batch: 2 });
    await button("Train").click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/at step 1\d of 40$/);
    await button("Pause").click();
    await expect.poll(() => page.locator("#run-status").textContent()).toMatch(/^Paused/);
    expect(await button("Go on").evaluate((element) => element === document.activeElement)).toBe(true);
    await paint({ seed: 1, steps: 5 });
    const held = await loss();
    await button("Go on").click();
    await expect.poll(loss).not.toBe(held);

    await open();
    const offer = page.getByRole("region", { name: "Earlier training" });
    await expect.poll(() => offer.textContent()).toMatch(/left at step [1-3]0 of 40/);
    await offer.getByRole("button", { name: "Go on" }).click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/at step 40 of 40$/);
    await expect.poll(() => button("Train").isEnabled()).toBe(true);
    expect(await offer.count()).toBe(0);

    await open();
    await expect.poll(() => offer.textContent()).toMatch(/^A model that was trained here, 40 steps/);
    await offer.getByRole("button", { name: "Open it" }).click();
    await expect.poll(() => page.locator("#model-name").textContent()).toMatch(/^Your model: 16 × 16/);
    expect(await offer.count()).toBe(0);

    await open();
    await offer.getByRole("button", { name: "Discard" }).click();
    await expect.poll(() => offer.count()).toBe(0);
  });

  test("stops, and says what is wrong with files that are no model", async () => {
    await setTraining("New, 16 × 16", { Steps: 1000, Batch: 2 });
    await button("Train").click();
    await expect.poll(loss, { timeout: 60_000 }).toMatch(/at step \d+ of 1000$/);

    const second = await context.newPage();
    await second.goto(server.url);
    const train = second.getByRole("button", { name: "Train", exact: true });
    await expect.poll(() => train.isEnabled(), { timeout: 60_000 }).toBe(true);
    expect(await second.getByRole("region", { name: "Earlier training" }).count()).toBe(0);
    await train.click();
    await expect.poll(() => second.getByRole("alert").textContent()).toMatch(/Another tab/);
    await second.close();

    await button("Stop").click();
    await expect.poll(() => page.locator("#run-status").textContent()).toBe("Training was stopped.");
    const step = /at step (\d+)/.exec((await loss()) ?? "")?.[1];
    await expect
      .poll(() => page.getByRole("region", { name: "Earlier training" }).textContent())
      .toMatch(`step ${step} of`);

    const foreign = { name: "holiday.zip", mimeType: "application/zip", buffer: Buffer.from("no zip at all") };
    await page.locator("#open-zip").setInputFiles(foreign);
    await expect.poll(() => page.getByRole("alert").textContent()).toMatch(/holiday\.zip.*zip/);
    await page.getByRole("button", { name: "Close this message" }).click();
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(await button("Paint").isEnabled()).toBe(true);
  });

  test("fits a phone, and follows the system into the dark", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    await expect.poll(width).toBe(360);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(19, 21, 25)");
  });

  test("can be used by the keyboard alone", async () => {
    await field("Seed").focus();
    await page.keyboard.type("5");
    await page.keyboard.press("Enter");
    await expect.poll(() => button("Stop painting").count()).toBe(1);
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("#paint-status").textContent()).toBe("Stopped.");
  });
});
