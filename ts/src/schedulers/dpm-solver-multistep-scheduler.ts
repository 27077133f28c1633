import type { DPMSolverMultistepSchedulerConfig } from "../generated/DPMSolverMultistepSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DPM-Solver++ as a multistep method (Lu et al. 2022, https://arxiv.org/abs/2211.01095): "DPM++ 2M", at its best with
 * 15 to 25 steps. `useKarrasSigmas` and `algorithmType: "sde-dpmsolver++"` give its well-known kin.
 *
 * @example
 * const scheduler = DPMSolverMultistepScheduler.fromConfig(pipeline.scheduler, { useKarrasSigmas: true });
 */
export class DPMSolverMultistepScheduler extends Scheduler<DPMSolverMultistepSchedulerConfig> {
  static override readonly className = "DPMSolverMultistepScheduler";
}
