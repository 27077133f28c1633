import type { SASolverSchedulerConfig } from "../generated/SASolverSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * SA-Solver: stochastic Adams methods, a predictor and a corrector (Xue et al. 2023,
 * https://arxiv.org/abs/2309.05019).
 */
export class SASolverScheduler extends Scheduler<SASolverSchedulerConfig> {
  static override readonly className = "SASolverScheduler";
}
