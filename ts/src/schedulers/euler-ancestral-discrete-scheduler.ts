import type { EulerAncestralDiscreteSchedulerConfig } from "../generated/EulerAncestralDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Euler's method with fresh noise in each step (Katherine Crowson's k-diffusion,
 * https://github.com/crowsonkb/k-diffusion): "Euler a".
 */
export class EulerAncestralDiscreteScheduler extends Scheduler<EulerAncestralDiscreteSchedulerConfig> {
  static override readonly className = "EulerAncestralDiscreteScheduler";
}
