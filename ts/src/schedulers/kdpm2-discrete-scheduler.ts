import type { KDPM2DiscreteSchedulerConfig } from "../generated/KDPM2DiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DPM-Solver-2 in the form of Karras et al. 2022 (https://arxiv.org/abs/2206.00364): "DPM2". Two calls of the model for
 * each step but the last.
 */
export class KDPM2DiscreteScheduler extends Scheduler<KDPM2DiscreteSchedulerConfig> {
  static override readonly className = "KDPM2DiscreteScheduler";
}
