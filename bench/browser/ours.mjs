/** Our side in the page: the public API, as a page of a user has it. */
import { STEPS, schedulerOf, timed } from "../steps.mjs";

export class Ours {
  #api;
  #device;
  #unet;
  #step;

  /** @param device One of `devices()`, or a short name of one. */
  constructor(api, device) {
    this.#api = api;
    this.#device = device;
  }

  async prepare({ task, model, batch }) {
    const { Generator, UNet2DModel } = this.#api;
    const unet = await UNet2DModel.create(model, { generator: new Generator(1), device: this.#device });
    const shape = [batch, 3, model.sampleSize, model.sampleSize];
    const [generator, scheduler] = [new Generator(0), schedulerOf(this.#api)];
    this.#step = STEPS[task](this.#api, { unet, generator, scheduler, shape });
    this.#unet = unet;
  }

  step() {
    return timed(this.#step);
  }

  parameters() {
    return this.#unet.parameters();
  }

  countParameters() {
    return this.#unet.countParameters();
  }

  async forward(sample, timesteps) {
    const { data } = await this.#unet.forward(sample, timesteps);
    return data;
  }

  async gradients(sample, timesteps, target) {
    await this.#unet.backward({ sample, timesteps, target });
    const gradients = await this.#unet.gradients();
    await this.#unet.zeroGrad();
    return Object.fromEntries(Object.entries(gradients).map(([name, { data }]) => [name, data]));
  }

  dispose() {
    this.#unet?.dispose();
    this.#unet = undefined;
  }
}
