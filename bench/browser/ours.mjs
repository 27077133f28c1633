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

  step = () => timed(this.#step);

  /** For the check that both sides have the same model. */
  get unet() {
    return this.#unet;
  }

  dispose() {
    this.#unet?.dispose();
    this.#unet = undefined;
  }
}
