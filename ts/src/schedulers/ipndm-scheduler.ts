import type { IPNDMSchedulerConfig } from "../generated/IPNDMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Improved PNDM: linear multistep from the first step on (Zhang and Chen 2022, appendix B,
 * https://arxiv.org/abs/2204.13902).
 */
export class IPNDMScheduler extends Scheduler<IPNDMSchedulerConfig> {
  static override readonly className = "IPNDMScheduler";
}
