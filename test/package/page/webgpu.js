/**
 * A page that computes on a graphics card and on the processor, and counts the card's memory while it trains, as many steps as
 * its address says (`?steps=20`). The test reads `globalThis.result`.
 */

import { AdamW, devices, Generator, init, UNet2DModel } from "emberwing";
import { countBuffers } from "./count-buffers.js";

/** Where kernels are compiled and memory is found that later steps use again. */
const FIRST_STEPS = 3;

/** @type {Partial<import("emberwing").UNet2DModelConfig>} */
const config = {
  sampleSize: 8,
  layersPerBlock: 1,
  blockOutChannels: [8, 16],
  normNumGroups: 4,
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
};
const sample = new Generator(1).randn([3, 3, 8, 8]);
const target = new Generator(2).randn([3, 3, 8, 8]);

/** @param {object} where @param {number} steps */
async function train(where, steps) {
  const model = await UNet2DModel.create(config, { ...where, generator: new Generator(0) });
  const optimizer = new AdamW(model, { learningRate: 1e-4 });
  const output = [...(await model.forward(sample, 10)).data];
  const losses = [];
  let bytes = () => 0;
  let start = performance.now();
  for (let step = 0; step < FIRST_STEPS + steps; step++) {
    if (step === FIRST_STEPS) [bytes, start] = [countBuffers(), performance.now()];
    losses.push((await model.backward({ sample, timesteps: 10, target })).loss);
    await optimizer.step();
    await optimizer.zeroGrad();
  }
  return { device: model.device, output, losses, grown: bytes(), milliseconds: (performance.now() - start) / steps };
}

async function main() {
  /** The entry for pages, which takes more than Node's, whose types are checked here. @type {(options: object) => Promise<void>} */
  const initPage = init;
  await initPage({ gpu: true });
  const steps = Number(new URLSearchParams(location.search).get("steps"));
  return {
    devices: devices(),
    cpu: await train({ device: "cpu" }, 1),
    float16: await train({ device: "gpu", dtype: "float16" }, 1),
    float32: await train({ device: "gpu" }, steps),
  };
}

globalThis.result = main().catch((error) => ({ error: String(error) }));
