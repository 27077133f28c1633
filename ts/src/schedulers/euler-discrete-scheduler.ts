import type { EulerDiscreteSchedulerConfig } from "../generated/EulerDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Euler's method over the noise levels σ (Karras et al. 2022, algorithm 2, https://arxiv.org/abs/2206.00364): "Euler".
 *
 * @example
 * const scheduler = EulerDiscreteScheduler.fromConfig(pipeline.scheduler, { useKarrasSigmas: true });
 */
export class EulerDiscreteScheduler extends Scheduler<EulerDiscreteSchedulerConfig> {
  static override readonly className = "EulerDiscreteScheduler";
}
