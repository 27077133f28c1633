/** The studio and the live report in a real browser, over runs that `emberwing train` made. */
import { appendFile, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { UNet2DModel } from "emberwing";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchChromium, noChromium } from "./chromium.js";
import { folderWithPictures, run, start } from "./command-line.js";
import { metricsLines, type RunningStudio, startStudio, writeRun } from "./studio-process.js";

if (noChromium) console.warn(`skipped: ${noChromium}`);

const TINY = [
  ...["train", "--train-data-dir", "pictures", "--model-config-name-or-path", "small", "--resolution", "8"],
  ...["--train-batch-size", "2", "--eval-batch-size", "2", "--ddpm-num-inference-steps", "2"],
  ...["--save-images-epochs", "1"],
];

let folder: string;
let browser: Browser;
beforeAll(async () => {
  if (noChromium) return;
  folder = await folderWithPictures(4, 8);
  using small = await UNet2DModel.create({
    ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4 },
    ...{ downBlockTypes: ["DownBlock2D", "DownBlock2D"], upBlockTypes: ["UpBlock2D", "UpBlock2D"] },
  });
  await small.savePretrained(join(folder, "small"));
  const runs = [
    ["runs/fast", "--learning-rate", "0.01", "--use-ema"],
    ["runs/slow", "--learning-rate", "0.0001", "--seed", "4"],
  ] as const;
  for (const [output, ...flags] of runs) {
    const { code, stderr } = await run([...TINY, "--max-train-steps", "10", ...flags, "--output-dir", output], folder);
    expect(code, stderr).toBe(0);
  }
  browser = await launchChromium();
}, 120_000);
afterAll(async () => {
  if (noChromium) return;
  await browser.close();
  await rm(folder, { recursive: true });
});

describe.skipIf(noChromium !== "")("the studio", () => {
  let studio: RunningStudio;
  let page: Page;
  let problems: string[];
  let requests: string[];
  beforeEach(async () => {
    studio = await startStudio(folder, "runs");
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    [problems, requests] = [[], []];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => requests.push(request.url()));
    await page.goto(studio.url);
    await chart("Loss").waitFor();
  });
  afterEach(async () => {
    await page.close();
    await studio.stop();
    expect(problems).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(studio.url))).toEqual([]);
  });

  /** The picture of a curve, by what a screen reader says of it. */
  const chart = (title: string): Locator => page.getByRole("img", { name: new RegExp(`^${title}[:,]`) });
  const legend = (title: string, name: string): Locator =>
    page
      .locator("figure", { has: page.getByRole("heading", { name: title, exact: true }) })
      .getByRole("button", { name });
  const pixels = async (title: string): Promise<string> => (await chart(title).screenshot()).toString("base64");

  test("shows both runs, their numbers and where they stand", async () => {
    const lines = (await readFile(join(folder, "runs/slow/metrics.jsonl"), "utf8")).trim().split("\n");
    const { loss, gradNorm } = JSON.parse(lines.at(-1) as string);
    const label = (title: string) => expect.poll(() => chart(title).getAttribute("aria-label"));
    await label("Loss").toContain(`slow ${Number(loss.toPrecision(4))} at step 10`);
    expect(await chart("Gradient norm").getAttribute("aria-label")).toContain(
      `slow ${Number(gradNorm.toPrecision(4))}`,
    );
    await label("EMA decay").toContain("slow without values");
    expect(await page.getByRole("checkbox", { name: /^fast/ }).isChecked()).toBe(true);
    expect(await page.getByText("finished, step 10").count()).toBe(2);
    for (const title of ["Learning rate", "Images per second"]) expect(await chart(title).isVisible()).toBe(true);
  });

  test("draws on a logarithmic axis, and smoothed", async () => {
    await expect.poll(() => chart("Loss").locator("canvas").count()).toBe(1);
    const linear = await pixels("Loss");
    await page.getByRole("radio", { name: "Logarithmic" }).check({ force: true });
    expect(await chart("Loss").getAttribute("aria-label")).toMatch(/^Loss, logarithmic:/);
    await expect.poll(() => pixels("Loss")).not.toBe(linear);
    const log = await pixels("Loss");
    const value = await legend("Loss", "slow").textContent();
    await page.getByRole("slider", { name: "Smoothing" }).fill("0.9");
    await expect.poll(() => pixels("Loss")).not.toBe(log);
    expect(await page.locator("#smoothing-value").textContent()).toBe("0.90");
    expect(await legend("Loss", "slow").textContent()).not.toBe(value);
    await page.getByRole("slider", { name: "Smoothing" }).fill("0");
    const raw = Number(/ slow ([\d.]+) at/.exec((await chart("Loss").getAttribute("aria-label")) ?? "")?.[1]);
    expect(await legend("Loss", "slow").textContent()).toBe(`slow${raw}`);
  });

  test("shows the pictures of the step on the slider", async () => {
    const picture = page.getByRole("img", { name: /^Samples of slow after step/ });
    await expect.poll(() => picture.getAttribute("alt")).toBe("Samples of slow after step 10");
    const last = (await picture.screenshot()).toString("base64");
    const time = page.getByRole("slider", { name: "After step" });
    await time.focus();
    await page.keyboard.press("Home");
    await expect.poll(() => picture.getAttribute("alt")).toBe("Samples of slow after step 2");
    expect(await time.getAttribute("aria-valuetext")).toBe("step 2");
    await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(22);
    expect((await picture.screenshot()).toString("base64")).not.toBe(last);
    const { length } = await readFile(join(folder, "runs/slow/samples/step-000002.png"));
    const response = await page.request.get(await picture.evaluate((image: HTMLImageElement) => image.src));
    expect((await response.body()).length).toBe(length);
  });

  test("says in which settings the runs differ, and all of them", async () => {
    const names = (): Promise<string[]> => page.locator("tbody th").allTextContents();
    await expect.poll(names).toEqual(["learningRate", "useEma", "seed"]);
    const row = page.getByRole("row", { name: /^learningRate/ });
    expect((await row.getByRole("cell").allTextContents()).sort()).toEqual(["0.0001", "0.01"]);
    await page.getByRole("checkbox", { name: "All settings" }).check();
    expect(await names()).toEqual(expect.arrayContaining(["resolution", "model.blockOutChannels", "plannedSteps"]));
    await page.getByRole("checkbox", { name: "All settings" }).uncheck();
    await page.getByRole("checkbox", { name: /^slow/ }).uncheck();
    await expect.poll(() => page.getByText("Choose a second run").isVisible()).toBe(true);
    expect(await chart("Loss").getAttribute("aria-label")).not.toContain("slow");
  });

  test("hides a line by the legend, moves all cursors, and shows some steps", async () => {
    const button = legend("Loss", "fast");
    const both = await pixels("Loss");
    await button.press("Enter");
    expect(await button.getAttribute("aria-pressed")).toBe("false");
    await expect.poll(() => pixels("Loss")).not.toBe(both);
    expect(await legend("Gradient norm", "fast").getAttribute("aria-pressed")).toBe("true");

    await chart("Loss").press("ArrowRight");
    await expect.poll(() => page.locator("#readout").textContent()).toMatch(/^Loss, step 1: .*slow [\d.]+/);
    await expect.poll(() => legend("Learning rate", "slow").textContent()).toBe("slow0.0001");
    await page.getByRole("spinbutton", { name: "First step" }).fill("4");
    await page.getByRole("spinbutton", { name: "Last step" }).fill("6");
    const part = await pixels("Loss");
    await page.getByRole("button", { name: "All steps" }).click();
    await expect.poll(() => pixels("Loss")).not.toBe(part);
    expect(await page.getByRole("button", { name: "All steps" }).isDisabled()).toBe(true);
  });

  test("follows a log that grows, a line that is not yet whole, and runs that come and go", async () => {
    const path = join(folder, "runs/growing");
    await writeRun(path, metricsLines(1, 3));
    await expect.poll(() => chart("Loss").getAttribute("aria-label")).toContain("at step 3");
    const before = await pixels("Loss");
    const more = metricsLines(4, 30);
    await appendFile(join(path, "metrics.jsonl"), more.slice(0, -30));
    await expect.poll(() => chart("Loss").getAttribute("aria-label")).toContain("at step 29");
    expect(await pixels("Loss")).not.toBe(before);
    await appendFile(join(path, "metrics.jsonl"), more.slice(-30));
    await expect.poll(() => chart("Loss").getAttribute("aria-label")).toContain("at step 30");
    await rm(path, { recursive: true });
    await expect.poll(() => page.getByRole("checkbox", { name: /^growing/ }).count()).toBe(0);
    expect(await chart("Loss").getAttribute("aria-label")).not.toContain("growing");
  });

  test("draws 100,000 steps", async () => {
    const path = join(folder, "runs/long");
    await writeRun(path, metricsLines(1, 100_000));
    await expect.poll(() => chart("Loss").getAttribute("aria-label")).toContain("at step 100,000");
    const took = await page.evaluate(async () => {
      const smoothing = document.querySelector<HTMLInputElement>("#smoothing");
      const start = performance.now();
      smoothing?.dispatchEvent(new Event("input", { bubbles: true }));
      // The charts are painted before the frame after the next begins.
      for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
      return performance.now() - start;
    });
    console.log(`all charts with 100,000 steps: drawn in ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(2000);
    await rm(path, { recursive: true });
  });

  test("says that the studio has ended", async () => {
    await studio.stop();
    await expect.poll(() => page.locator("#status").textContent()).toMatch(/^The studio has ended/);
    problems = problems.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE/.test(text));
  });

  test("fits a phone and asks for no sideways scrolling", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(19, 21, 25)");
  });
});

test.skipIf(noChromium !== "")("a folder without runs: the page says what it looks for", async () => {
  const studio = await startStudio(folder, "pictures");
  const page = await browser.newPage();
  await page.goto(studio.url);
  await page.getByRole("heading", { name: "No runs yet" }).waitFor();
  expect(await page.locator("#empty").textContent()).toMatch(/looks for folders with a metrics\.jsonl.*pictures/s);
  await page.close();
  await studio.stop();
});

test.skipIf(noChromium !== "")("the live report, opened from the disk, follows the run to its end", async () => {
  const going = start([...TINY, "--max-train-steps", "100000", "--output-dir", "live"], folder);
  await going.says(/training \d+\/100000/);
  const page = await browser.newPage();
  await page.goto(pathToFileURL(join(folder, "live/report.html")).href);
  const live = page.locator(".live");
  const studio = await startStudio(folder, "live");
  const stateOf = async () => (await (await fetch(`${studio.url}api/runs`)).json()).runs[0].state;
  expect(await stateOf()).toBe("training");
  const first = await live.textContent();
  expect(first).toMatch(/^Training, step \d+ of 100000/);
  await expect.poll(() => live.textContent()).not.toBe(first);
  going.process.kill("SIGINT");
  expect((await going.outcome).code).toBe(0);
  await expect.poll(() => live.count()).toBe(0);
  expect(await page.getByText("Stopped before step 100000").isVisible()).toBe(true);
  expect(await page.locator('meta[http-equiv="refresh"]').count()).toBe(0);
  await expect.poll(stateOf).toBe("stopped");
  await studio.stop();
  await page.close();
});
