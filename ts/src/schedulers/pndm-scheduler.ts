import type { PNDMSchedulerConfig } from "../generated/PNDMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Pseudo numerical methods on the diffusion manifold (Liu et al. 2022, https://arxiv.org/abs/2202.09778): Runge-Kutta
 * steps to begin with, then linear multistep; with `skipPrkSteps` the latter alone (PLMS), as Stable Diffusion does.
 *
 * @example
 * const scheduler = new PNDMScheduler({ skipPrkSteps: true, stepsOffset: 1 });
 */
export class PNDMScheduler extends Scheduler<PNDMSchedulerConfig> {
  static override readonly className = "PNDMScheduler";
}
