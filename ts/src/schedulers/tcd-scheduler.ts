import type { LCMSchedulerConfig } from "../generated/LCMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Trajectory consistency distillation (Zheng et al. 2024, https://arxiv.org/abs/2402.19159): for distilled models; `eta`
 * of a step says how much noise it adds.
 */
export class TCDScheduler extends Scheduler<LCMSchedulerConfig> {
  static override readonly className = "TCDScheduler";
}
