/** The denoising loop of all pipelines; each step is one call into the core. */

import type { Callback } from "../callback.js";
import type { DenoisingHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import type { UNet2DModel } from "../models/unet-2d-model.js";
import { toJson } from "../options.js";
import type { Generator } from "../random/generator.js";
import { Resource } from "../resource.js";
import type { Scheduler, StepOptions } from "../schedulers/scheduler.js";
import { shapeOf, type Tensor } from "../tensor.js";
import type { StepProgress } from "./diffusion-pipeline.js";

export interface Denoising {
  unet: UNet2DModel;
  /** With its timesteps chosen. */
  scheduler: Scheduler;
  /** Draws the first noise and that of the steps, in this order. */
  generator: Generator;
  /** NCHW. */
  shape: number[];
  /** One a sample; for models that take none: left out. */
  classLabels?: readonly number[];
  /** Starts from a picture in place of noise alone, at number `beginIndex` of the timesteps. */
  from?: { image: Tensor; beginIndex: number } | undefined;
  stepOptions?: Pick<StepOptions, "eta">;
  onStep: Callback<StepProgress> | undefined;
  signal: AbortSignal | undefined;
}

/** The loop in the core. */
class Loop extends Resource<DenoisingHandle> {
  constructor(handle: DenoisingHandle, unet: UNet2DModel) {
    super(handle, [unet]);
  }
}

/** From noise, or a noisy picture, to the model's idea of an image: NCHW, about [−1, 1]. */
export async function denoise({
  unet,
  scheduler,
  generator,
  shape,
  classLabels = [],
  from,
  stepOptions = {},
  onStep,
  signal,
}: Denoising): Promise<Tensor> {
  call(() => unet.handle.expectRoom(shapeOf({ shape })));
  const noise = generator.randn(shape).data;
  const options = toJson(stepOptions);
  const parts = [unet.handle, scheduler.handle, generator.handle, options] as const;
  const start = [noise, shapeOf({ shape }), Float32Array.from(classLabels)] as const;
  const handle = call(({ Denoising }) =>
    from
      ? Denoising.fromImage(...parts, ...start, from.image.data, from.beginIndex)
      : new Denoising(...parts, ...start),
  );
  const loop = new Loop(handle, unet);
  try {
    const timesteps = scheduler.timesteps.slice(from?.beginIndex);
    for (const [index, timestep] of timesteps.entries()) {
      await enqueue(() => loop.handle.step());
      await onStep?.({ step: index + 1, timestep, total: timesteps.length });
      signal?.throwIfAborted();
    }
    return { data: await enqueue(() => loop.handle.sample()), shape };
  } finally {
    loop.dispose();
  }
}
