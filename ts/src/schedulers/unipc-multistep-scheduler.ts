import type { UniPCMultistepSchedulerConfig } from "../generated/UniPCMultistepSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * UniPC (Zhao et al. 2023, https://arxiv.org/abs/2302.04867): a predictor and a corrector that share the model's output;
 * 5 to 10 steps.
 *
 * @example
 * const scheduler = UniPCMultistepScheduler.fromConfig(pipeline.scheduler);
 */
export class UniPCMultistepScheduler extends Scheduler<UniPCMultistepSchedulerConfig> {
  static override readonly className = "UniPCMultistepScheduler";
}
