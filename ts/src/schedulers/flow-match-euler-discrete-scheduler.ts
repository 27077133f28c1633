import type { FlowMatchEulerDiscreteSchedulerConfig } from "../generated/FlowMatchEulerDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * Euler's method for flow matching (Esser et al. 2024, https://arxiv.org/abs/2403.03206): Stable Diffusion 3 and FLUX.
 *
 * @example
 * const scheduler = new FlowMatchEulerDiscreteScheduler({ shift: 3 });
 */
export class FlowMatchEulerDiscreteScheduler extends Scheduler<FlowMatchEulerDiscreteSchedulerConfig> {
  static override readonly className = "FlowMatchEulerDiscreteScheduler";
}
