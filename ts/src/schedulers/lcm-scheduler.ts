import type { LCMSchedulerConfig } from "../generated/LCMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Latent consistency models (Luo et al. 2023, https://arxiv.org/abs/2310.04378): for models that were distilled to 1 to
 * 8 steps.
 */
export class LCMScheduler extends Scheduler<LCMSchedulerConfig> {
  static override readonly className = "LCMScheduler";
}
