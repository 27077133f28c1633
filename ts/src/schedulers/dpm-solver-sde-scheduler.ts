import type { DPMSolverSDESchedulerConfig } from "../generated/DPMSolverSDESchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DPM-Solver-2 on the stochastic equation, with noise in both halves of each step (Lu et al. 2022,
 * https://arxiv.org/abs/2211.01095): "DPM++ SDE".
 */
export class DPMSolverSDEScheduler extends Scheduler<DPMSolverSDESchedulerConfig> {
  static override readonly className = "DPMSolverSDEScheduler";
}
