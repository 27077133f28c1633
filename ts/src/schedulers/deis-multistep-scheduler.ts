import type { DEISMultistepSchedulerConfig } from "../generated/DEISMultistepSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/** DEIS: exponential integration with polynomials (Zhang and Chen 2022, https://arxiv.org/abs/2204.13902). */
export class DEISMultistepScheduler extends Scheduler<DEISMultistepSchedulerConfig> {
  static override readonly className = "DEISMultistepScheduler";
}
