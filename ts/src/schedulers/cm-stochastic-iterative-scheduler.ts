import type { CMStochasticIterativeSchedulerConfig } from "../generated/CMStochasticIterativeSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Consistency models (Song et al. 2023, algorithm 1, https://arxiv.org/abs/2303.01469): one step, or a few with fresh
 * noise between them.
 */
export class CMStochasticIterativeScheduler extends Scheduler<CMStochasticIterativeSchedulerConfig> {
  static override readonly className = "CMStochasticIterativeScheduler";
}
