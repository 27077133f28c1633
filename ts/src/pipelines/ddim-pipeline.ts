import { DDIMScheduler } from "../schedulers/ddim-scheduler.js";
import { checkComponents, type UnconditionalComponents, UnconditionalPipeline } from "./unconditional-pipeline.js";

/**
 * Unconditional image generation as DDIM does it: 50 steps, deterministic after the first noise. Another scheduler
 * is converted by `DDIMScheduler.fromConfig`.
 *
 * @example
 * const { images } = await new DDIMPipeline({ unet, scheduler }).generate({ batchSize: 8, seed: 0 });
 */
export class DDIMPipeline extends UnconditionalPipeline {
  static override readonly className = "DDIMPipeline";

  constructor(components: UnconditionalComponents) {
    const { unet, scheduler } = checkComponents(components);
    const ddim = scheduler instanceof DDIMScheduler ? scheduler : DDIMScheduler.fromConfig(scheduler);
    super({ unet, scheduler: ddim }, 50);
  }
}
