import type { FlowMatchHeunDiscreteSchedulerConfig } from "../generated/FlowMatchHeunDiscreteSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/** Heun's second-order method (Karras et al. 2022, algorithm 1, https://arxiv.org/abs/2206.00364) for flow matching. */
export class FlowMatchHeunDiscreteScheduler extends Scheduler<FlowMatchHeunDiscreteSchedulerConfig> {
  static override readonly className = "FlowMatchHeunDiscreteScheduler";
}
