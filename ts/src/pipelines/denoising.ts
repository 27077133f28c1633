/** The denoising loop of all pipelines; each step is one call into the core. */
import { call, enqueue } from "../engine.js";
import type { UNet2DModel } from "../models/unet-2d-model.js";
import type { Generator } from "../random/generator.js";
import type { Scheduler, StepOptions } from "../schedulers/scheduler.js";
import type { Tensor } from "../tensor.js";
import type { StepProgress } from "./diffusion-pipeline.js";

export interface Denoising {
  unet: UNet2DModel;
  /** With its timesteps chosen. */
  scheduler: Scheduler;
  /** Draws the first noise and that of the steps, in this order. */
  generator: Generator;
  /** NCHW. */
  shape: number[];
  stepOptions: Pick<StepOptions, "eta">;
  onStep: ((progress: StepProgress) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** From noise to the model's idea of an image: NCHW, about [−1, 1]. */
export async function denoise({
  unet,
  scheduler,
  generator,
  shape,
  stepOptions,
  onStep,
  signal,
}: Denoising): Promise<Tensor> {
  const noise = generator.randn(shape);
  const json = JSON.stringify(stepOptions);
  const loop = call(
    (core) =>
      new core.Denoising(unet.handle, scheduler.handle, generator.handle, json, noise.data, Uint32Array.from(shape)),
  );
  try {
    const { timesteps } = scheduler;
    for (const [index, timestep] of timesteps.entries()) {
      await enqueue(() => loop.step());
      onStep?.({ step: index + 1, timestep, total: timesteps.length });
      signal?.throwIfAborted();
    }
    return { data: await enqueue(() => loop.sample()), shape };
  } finally {
    void enqueue(() => loop.dispose());
  }
}
