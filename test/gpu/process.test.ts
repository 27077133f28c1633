/** What the process of Node shows while a card computes. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AdamW, Generator, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { tiny } from "./tiny.js";

test("memory stays level while training", async () => {
  using unet = await UNet2DModel.create(tiny, { device: "gpu" });
  using optimizer = new AdamW(unet, { learningRate: 1e-4 });
  const sample = new Generator(1).randn([3, 3, 8, 8]);
  const target = new Generator(2).randn([3, 3, 8, 8]);
  const train = async (steps: number) => {
    for (let step = 0; step < steps; step++) {
      await unet.backward({ sample, timesteps: 10, target });
      await optimizer.step();
      await optimizer.zeroGrad();
    }
    return process.memoryUsage().rss;
  };
  // Programs in place of a card take a second for a step and more, and their memory is the process's own.
  const steps: Record<string, [number, number]> = { hardware: [100, 200], lavapipe: [10, 30] };
  const [first, more] = steps[process.env.EMBERWING_TEST_ADAPTER ?? ""] ?? [4, 8];
  const early = await train(first);
  const late = await train(more);
  expect((late - early) / 1e6).toBeLessThan(60);
});

test("a process that used a card ends with 0", async () => {
  const script = `
    import { UNet2DModel, Generator } from ${JSON.stringify(fileURLToPath(new URL("../../dist/node.mjs", import.meta.url)))};
    const unet = await UNet2DModel.create(${JSON.stringify(tiny)}, { device: "gpu" });
    await unet.forward(new Generator(0).randn([1, 3, 8, 8]), 1);
    console.log(unet.device);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  expect(stdout).toContain("gpu:0");
});
