/** Our side in the page: the public API, as a page of a user has it. */

/** The course's loop, and one step of sampling by hand: what `bench/ours.mjs` does in Node. */
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
    const { DDPMScheduler, Generator, UNet2DModel } = this.#api;
    const generator = new Generator(0);
    const scheduler = new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });
    this.#unet = await UNet2DModel.create(model, { generator: new Generator(1), device: this.#device });
    const shape = [batch, 3, model.sampleSize, model.sampleSize];
    this.#step = this[task](shape, generator, scheduler);
  }

  train(shape, generator, scheduler) {
    const clean = generator.rand(shape);
    const optimizer = new this.#api.AdamW(this.#unet, { learningRate: 4e-4 });
    return async () => {
      const noise = generator.randn(shape);
      const timesteps = generator.randint(0, 1000, shape.slice(0, 1));
      const sample = scheduler.addNoise(clean, noise, timesteps);
      await this.#unet.backward({ sample, timesteps, target: noise });
      await optimizer.step();
      await optimizer.zeroGrad();
    };
  }

  denoise(shape, generator, scheduler) {
    let sample = generator.randn(shape);
    let index = 0;
    scheduler.setTimesteps(1000);
    return async () => {
      const t = scheduler.timesteps[index++];
      sample = scheduler.step(await this.#unet.forward(sample, t), t, sample, { generator }).prevSample;
    };
  }

  async step() {
    const start = performance.now();
    await this.#step();
    return (performance.now() - start) / 1000;
  }

  /** For the check that both sides have the same model. */
  get unet() {
    return this.#unet;
  }

  dispose() {
    this.#unet?.dispose();
    this.#unet = undefined;
  }
}
