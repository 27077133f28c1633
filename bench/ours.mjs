/** Our side: reads tasks, one line of JSON each, and does them with the public API. `peer.py` is its twin. */

import { createInterface } from "node:readline";
import * as api from "emberwing";
import { STEPS, schedulerOf, timed } from "./steps.mjs";

const generator = new api.Generator(0);
const scheduler = schedulerOf(api);
let step;

const ACTIONS = {
  async prepare({ task, model, batch, device, dtype }) {
    const unet = await api.UNet2DModel.create(model, { generator, device, dtype });
    const shape = [batch, 3, model.sampleSize, model.sampleSize];
    step = STEPS[task](api, { unet, generator, scheduler, shape });
    return {};
  },
  async step() {
    return { seconds: await timed(step) };
  },
  async memory() {
    return { bytes: process.resourceUsage().maxRSS * 1024 };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await ACTIONS[request.action](request)));
}
