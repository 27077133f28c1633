/** Our side: reads tasks, one line of JSON each, and does them with the public API. `peer.py` is its twin. */

import { createInterface } from "node:readline";
import { AdamW, DDPMScheduler, Generator, UNet2DModel } from "emberwing";

const TASKS = { train, denoise };
const generator = new Generator(0);
const scheduler = new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });
let step;

/** The course's loop: noise, timesteps, loss, gradients, AdamW. */
function train(unet, shape) {
  const clean = generator.rand(shape);
  const optimizer = new AdamW(unet, { learningRate: 4e-4 });
  return async () => {
    const noise = generator.randn(shape);
    const timesteps = generator.randint(0, 1000, shape.slice(0, 1));
    const sample = scheduler.addNoise(clean, noise, timesteps);
    await unet.backward({ sample, timesteps, target: noise });
    await optimizer.step();
    await optimizer.zeroGrad();
  };
}

/** The model, then the scheduler, down the thousand timesteps. */
function denoise(unet, shape) {
  let sample = generator.randn(shape);
  let index = 0;
  scheduler.setTimesteps(1000);
  return async () => {
    const t = scheduler.timesteps[index++];
    sample = scheduler.step(await unet.forward(sample, t), t, sample, { generator }).prevSample;
  };
}

const ACTIONS = {
  async prepare({ task, model, batch, device }) {
    const unet = await UNet2DModel.create(model, { generator, device });
    step = TASKS[task](unet, [batch, 3, model.sampleSize, model.sampleSize]);
    return {};
  },
  async step() {
    const start = performance.now();
    await step();
    return { seconds: (performance.now() - start) / 1000 };
  },
  async memory() {
    return { bytes: process.resourceUsage().maxRSS * 1024 };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await ACTIONS[request.action](request)));
}
