import type { HeunDiscreteSchedulerConfig } from "../generated/HeunDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Heun's second-order method (Karras et al. 2022, algorithm 1, https://arxiv.org/abs/2206.00364): two calls of the
 * model for each step but the last, so `timesteps` has 2n − 1 entries.
 */
export class HeunDiscreteScheduler extends Scheduler<HeunDiscreteSchedulerConfig> {
  static override readonly className = "HeunDiscreteScheduler";
}
