import type { DPMSolverSinglestepSchedulerConfig } from "../generated/DPMSolverSinglestepSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/** DPM-Solver++ as a singlestep method (Lu et al. 2022, https://arxiv.org/abs/2211.01095): "DPM++ 2S". */
export class DPMSolverSinglestepScheduler extends Scheduler<DPMSolverSinglestepSchedulerConfig> {
  static override readonly className = "DPMSolverSinglestepScheduler";
}
