import type { ScoreSdeVeSchedulerConfig } from "../generated/ScoreSdeVeSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * The variance-exploding SDE with predictor and corrector (Song et al. 2020, https://arxiv.org/abs/2011.13456), for
 * models that predict the score and take σ as timestep. Every noise level stands in `timesteps` once for each
 * correction and then for the prediction; diffusers has two step functions in place of that.
 */
export class ScoreSdeVeScheduler extends Scheduler<ScoreSdeVeSchedulerConfig> {
  static override readonly className = "ScoreSdeVeScheduler";
}
