import type { EDMEulerSchedulerConfig } from "../generated/EDMEulerSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/** Euler's method for models in the wrapping of Karras et al. 2022 (algorithm 2, https://arxiv.org/abs/2206.00364). */
export class EDMEulerScheduler extends Scheduler<EDMEulerSchedulerConfig> {
  static override readonly className = "EDMEulerScheduler";
}
