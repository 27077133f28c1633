import type { EDMDPMSolverMultistepSchedulerConfig } from "../generated/EDMDPMSolverMultistepSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/** DPM-Solver++ for models in the wrapping of Karras et al. 2022 (https://arxiv.org/abs/2206.00364). */
export class EDMDPMSolverMultistepScheduler extends Scheduler<EDMDPMSolverMultistepSchedulerConfig> {
  static override readonly className = "EDMDPMSolverMultistepScheduler";
}
