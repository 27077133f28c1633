import type { DDPMSchedulerConfig } from "../generated/DDPMSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Denoising Diffusion Probabilistic Models, ancestral sampling (Ho et al. 2020, https://arxiv.org/abs/2006.11239).
 *
 * @example
 * const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
 * scheduler.setTimesteps(50);
 * console.log(scheduler.timesteps[0]); // 980
 */
export class DDPMScheduler extends Scheduler<DDPMSchedulerConfig> {
  static override readonly className = "DDPMScheduler";
}
