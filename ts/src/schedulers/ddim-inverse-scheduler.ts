import type { DDIMInverseSchedulerConfig } from "../generated/DDIMInverseSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DDIM run backwards (Song et al. 2020, section 4.3, https://arxiv.org/abs/2010.02502): from a picture to the noise that
 * DDIM would make it from.
 */
export class DDIMInverseScheduler extends Scheduler<DDIMInverseSchedulerConfig> {
  static override readonly className = "DDIMInverseScheduler";
}
