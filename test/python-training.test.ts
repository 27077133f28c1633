/** A run moves to Python and back: Accelerate and torch's AdamW go on from our checkpoints, we go on from theirs. */
import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AdamW, DDPMScheduler, loadDataset, Trainer, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";
import { expectTensorClose } from "./closeness.js";
import { at, fixturePath, need, readTensors, tensorsIn } from "./fixtures.js";
import { pythonProblem, runPython } from "./python.js";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const convert = (...args: string[]) => runPython(path("../scripts/accelerate_checkpoint.py"), ...args);
const missing = pythonProblem("diffusers", "torch", "safetensors");
if (missing) console.warn(`skipped: ${missing}`);

const readContent = (file: string) => new Uint8Array(readFileSync(file));
const optimizerOf = (checkpoint: string) => tensorsIn(readContent(join(checkpoint, "optimizer.safetensors")));

const RATE = 4e-4;
const STEPS = 3;

test("three steps in Python are three steps here, and the run comes back", { timeout: 300_000 }, async ({ skip }) => {
  if (missing) skip(missing);
  const folder = await mkdtemp(join(tmpdir(), "emberwing-"));
  const outputDir = join(folder, "ours");
  const dataset = await loadDataset("butterflies", { size: 8, resolution: 8 });
  const options = {
    ...{ scheduler: new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" }), dataset, batchSize: 4, outputDir },
    ...{ learningRate: RATE, useEma: true, checkpointingSteps: 4, seed: 0 },
  };
  using model = await UNet2DModel.fromPretrained(fixturePath("training/initial"));
  const first = new Trainer({ ...options, model, steps: 4 });
  for await (const event of first.run()) expect(event.type).not.toBe("warning");
  const checkpoint = join(outputDir, "checkpoint-4");

  // There and back without a step: nothing is lost.
  convert("to-accelerate", checkpoint, join(folder, "theirs"));
  convert("from-accelerate", join(folder, "theirs"), join(folder, "unchanged"));
  const [before, after] = [optimizerOf(checkpoint), optimizerOf(join(folder, "unchanged"))];
  expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
  for (const [name, tensor] of Object.entries(before)) expectTensorClose(need(after, name), tensor, 0, name);

  const batches = fixturePath("training/data.safetensors");
  runPython(path("python/accelerate_steps.py"), join(folder, "theirs"), batches, String(STEPS), join(folder, "later"));
  convert("from-accelerate", join(folder, "later"), join(outputDir, "checkpoint-7"));

  // The same steps by hand.
  using unet = await UNet2DModel.fromPretrained(checkpoint, { subfolder: "unet" });
  using optimizer = new AdamW(unet, { learningRate: RATE });
  await optimizer.loadStateDict(readContent(join(checkpoint, "optimizer.safetensors")));
  const data = readTensors("training/data.safetensors");
  for (let k = 0; k < STEPS; k++) {
    const [sample, target] = [at(need(data, "noisy"), k), at(need(data, "noise"), k)];
    await unet.backward({ sample, target, timesteps: at(need(data, "timesteps"), k) });
    await optimizer.step();
    await optimizer.zeroGrad();
  }
  using theirs = await UNet2DModel.fromPretrained(join(folder, "later"), { subfolder: "unet" });
  const [weights, wanted] = [await unet.parameters(), await theirs.parameters()];
  for (const [name, tensor] of Object.entries(wanted)) expectTensorClose(need(weights, name), tensor, 1e-4, name);
  const [moments, expected] = [tensorsIn(await optimizer.stateDict()), optimizerOf(join(outputDir, "checkpoint-7"))];
  for (const [name, tensor] of Object.entries(expected)) expectTensorClose(need(moments, name), tensor, 1e-5, name);
  expect(need(moments, "step").data).toEqual(Float32Array.of(7));

  // And the Trainer goes on from Python's step, with Python's weights and average.
  using again = await UNet2DModel.fromPretrained(fixturePath("training/initial"));
  const second = new Trainer({ ...options, model: again, steps: 8, resumeFromCheckpoint: "latest" });
  const steps: number[] = [];
  for await (const event of second.run()) {
    if (event.type === "start") {
      expect(event.step).toBe(7);
      expect(await again.parameters()).toEqual(wanted);
      using average = await second.emaModel();
      using saved = await UNet2DModel.fromPretrained(join(folder, "later"), { subfolder: "unet_ema" });
      expect(await average.parameters()).toEqual(await saved.parameters());
    }
    if (event.type === "step") steps.push(event.step);
  }
  expect(steps).toEqual([8]);
});
