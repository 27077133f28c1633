import type { LMSDiscreteSchedulerConfig } from "../generated/LMSDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Linear multistep method over the noise levels σ (Katherine Crowson's k-diffusion,
 * https://github.com/crowsonkb/k-diffusion): "LMS" and, with `useKarrasSigmas`, "LMS Karras".
 */
export class LMSDiscreteScheduler extends Scheduler<LMSDiscreteSchedulerConfig> {
  static override readonly className = "LMSDiscreteScheduler";
}
