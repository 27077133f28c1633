import type { DDIMSchedulerConfig } from "../generated/DDIMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Denoising Diffusion Implicit Models (Song et al. 2020, https://arxiv.org/abs/2010.02502): the same models in far
 * fewer steps, deterministic unless `eta` is above 0.
 *
 * @example
 * const scheduler = new DDIMScheduler({ numTrainTimesteps: 1000 });
 * scheduler.setTimesteps(5);
 * console.log(scheduler.timesteps); // [800, 600, 400, 200, 0]
 */
export class DDIMScheduler extends Scheduler<DDIMSchedulerConfig> {
  static override readonly className = "DDIMScheduler";
}
