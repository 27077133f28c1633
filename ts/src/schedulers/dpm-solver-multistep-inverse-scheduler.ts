import type { DPMSolverMultistepInverseSchedulerConfig } from "../generated/DPMSolverMultistepInverseSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DPM-Solver++ run backwards (Lu et al. 2022, https://arxiv.org/abs/2211.01095): from a picture to the noise that the
 * multistep method would make it from.
 */
export class DPMSolverMultistepInverseScheduler extends Scheduler<DPMSolverMultistepInverseSchedulerConfig> {
  static override readonly className = "DPMSolverMultistepInverseScheduler";
}
