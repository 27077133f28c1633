import type { KDPM2DiscreteSchedulerConfig } from "../generated/KDPM2DiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DPM-Solver-2 in the form of Karras et al. 2022 (https://arxiv.org/abs/2206.00364) with fresh noise in each step:
 * "DPM2 a".
 */
export class KDPM2AncestralDiscreteScheduler extends Scheduler<KDPM2DiscreteSchedulerConfig> {
  static override readonly className = "KDPM2AncestralDiscreteScheduler";
}
