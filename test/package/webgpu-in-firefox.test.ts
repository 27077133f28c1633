/** WebGPU in Firefox, on lavapipe: another engine than Chromium's, a card with float16, and quick enough for many steps. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testAdapter } from "../../scripts/build/adapter.mjs";
import { expectClose } from "../closeness.js";
import { firefox } from "./browser-programs.js";
import { PageProject } from "./page-project.js";
import type { DrivenBrowser } from "./webdriver.js";

interface Trained {
  device: string;
  output: number[];
  losses: number[];
  /** Bytes of the card's memory that came to those of the first steps. */
  grown: number;
  /** Of a step. */
  milliseconds: number;
}

interface Result {
  error?: string;
  devices: string[];
  cpu: Trained;
  float16: Trained;
  float32: Trained;
}

const start = firefox();
const adapter = testAdapter();
const isThere = start !== undefined && adapter?.name === "lavapipe";
if (!isThere) console.warn("WebGPU in Firefox: skipped (Debian's packages: firefox-esr, mesa-vulkan-drivers)");

/** Steps whose memory is watched; `EMBERWING_TEST_STEPS=300` for a long look. */
const STEPS = Number(process.env.EMBERWING_TEST_STEPS ?? 6);

describe.skipIf(!isThere)("WebGPU in Firefox", () => {
  let project: PageProject;
  let browser: DrivenBrowser;

  beforeAll(async () => {
    project = await PageProject.create();
    const settings = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };
    browser = await (start as NonNullable<typeof start>)({ settings, environment: adapter?.environment ?? {} });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await project?.remove();
  });

  test("computes what the CPU computes, in float16 too, and its memory stays level", {
    timeout: 1_200_000,
  }, async () => {
    await browser.open(`${await project.serve()}webgpu.html?steps=${STEPS}`);
    let result: Result | null = null;
    // Asked again and again: a script in the page is given two minutes.
    while (result === null) {
      const wait = "new Promise((next) => setTimeout(() => next(null), 60_000))";
      result = await browser.run<Result | null>(`return Promise.race([globalThis.result, ${wait}])`);
    }
    expect(result.error).toBeUndefined();
    const { devices, cpu, float16, float32 } = result;
    expect(devices).toEqual(["cpu", expect.stringMatching(/^gpu:0 \(.*WebGPU, software\)$/)]);
    expect(float32.device).toBe(devices[1]);
    console.log(`${STEPS} steps: ${float32.milliseconds.toFixed(0)} ms each, ${float32.grown} bytes more`);
    expectClose(float32.output, cpu.output, 1e-4, "output");
    expectClose(float32.losses.slice(0, cpu.losses.length), cpu.losses, 1e-3, "losses");
    expectClose(float16.output, cpu.output, 0.02, "output in float16");
    expect(float16.output).not.toEqual(float32.output);
    expectClose(float16.losses, cpu.losses, 0.02, "losses in float16");
    // Buffers for reading a result come and go.
    expect(float32.grown).toBeLessThan(1e6);
    expect(float32.losses.at(-1)).toBeLessThan(float32.losses[0] as number);
  });
});
