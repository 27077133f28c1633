import { PNDMScheduler } from "../schedulers/pndm-scheduler.js";
import { type UnconditionalComponents, UnconditionalPipeline } from "./unconditional-pipeline.js";

/**
 * Unconditional image generation by pseudo numerical methods (Liu et al. 2022): 50 steps, deterministic after the
 * first noise. Another scheduler is converted by `PNDMScheduler.fromConfig`.
 *
 * @example
 * const { images } = await new PNDMPipeline({ unet, scheduler }).generate({ batchSize: 8, seed: 0 });
 */
export class PNDMPipeline extends UnconditionalPipeline {
  static override readonly className = "PNDMPipeline";

  constructor({ unet, scheduler }: UnconditionalComponents) {
    const pndm = scheduler instanceof PNDMScheduler ? scheduler : PNDMScheduler.fromConfig(scheduler);
    super({ unet, scheduler: pndm }, 50);
  }
}
