import type { UnCLIPSchedulerConfig } from "../generated/UnCLIPSchedulerConfig.js";
import { Scheduler } from "./scheduler.js";

/**
 * DDPM as the prior and decoder of unCLIP run it (Ramesh et al. 2022, https://arxiv.org/abs/2204.06125): both ends of
 * training are visited.
 */
export class UnCLIPScheduler extends Scheduler<UnCLIPSchedulerConfig> {
  static override readonly className = "UnCLIPScheduler";
}
