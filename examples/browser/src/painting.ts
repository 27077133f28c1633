/** Painting with every step shown: DDIM (Song et al. 2020) from pure noise. */
import type { Image } from "emberwing";
import type { WorkerApi } from "emberwing/worker";
import type { Model } from "./model.js";

export interface PaintOptions {
  readonly seed: number;
  readonly steps: number;
  readonly count: number;
  readonly signal?: AbortSignal;
}

/** How far the pictures are; step 0 is the noise that they start from. */
export interface PaintedStep {
  readonly step: number;
  readonly images: Image[];
}

/** `pipeline.generate` does the same in one call; here each step is asked for, so that it can be looked at. */
export async function* paint(
  api: WorkerApi,
  { unet, scheduler: trained, format }: Model,
  { seed, steps, count, signal }: PaintOptions,
): AsyncGenerator<PaintedStep, void, void> {
  // "trailing" begins at the last timestep, the noise itself, also where there are few steps (Lin et al. 2024).
  const scheduler = await api.DDIMScheduler.fromConfig(trained, { timestepSpacing: "trailing" });
  await scheduler.setTimesteps(steps);
  const generator = await new api.Generator(seed);
  let sample = await generator.randn([count, format.channels, format.height, format.width]);
  yield { step: 0, images: await api.imagesFromTensor(sample) };
  for (const [index, timestep] of (await scheduler.timesteps).entries()) {
    signal?.throwIfAborted();
    const output = await unet.forward(sample, timestep);
    ({ prevSample: sample } = await scheduler.step(output, timestep, sample));
    yield { step: index + 1, images: await api.imagesFromTensor(sample) };
  }
}
