/** The scheduler classes by their names in `model_index.json`. A new class is added here and in `index.ts`. */

import { CMStochasticIterativeScheduler } from "./cm-stochastic-iterative-scheduler.js";
import { DDIMInverseScheduler } from "./ddim-inverse-scheduler.js";
import { DDIMScheduler } from "./ddim-scheduler.js";
import { DDPMScheduler } from "./ddpm-scheduler.js";
import { DEISMultistepScheduler } from "./deis-multistep-scheduler.js";
import { DPMSolverMultistepInverseScheduler } from "./dpm-solver-multistep-inverse-scheduler.js";
import { DPMSolverMultistepScheduler } from "./dpm-solver-multistep-scheduler.js";
import { DPMSolverSDEScheduler } from "./dpm-solver-sde-scheduler.js";
import { DPMSolverSinglestepScheduler } from "./dpm-solver-singlestep-scheduler.js";
import { EDMDPMSolverMultistepScheduler } from "./edm-dpm-solver-multistep-scheduler.js";
import { EDMEulerScheduler } from "./edm-euler-scheduler.js";
import { EulerAncestralDiscreteScheduler } from "./euler-ancestral-discrete-scheduler.js";
import { EulerDiscreteScheduler } from "./euler-discrete-scheduler.js";
import { FlowMatchEulerDiscreteScheduler } from "./flow-match-euler-discrete-scheduler.js";
import { FlowMatchHeunDiscreteScheduler } from "./flow-match-heun-discrete-scheduler.js";
import { HeunDiscreteScheduler } from "./heun-discrete-scheduler.js";
import { IPNDMScheduler } from "./ipndm-scheduler.js";
import { KDPM2AncestralDiscreteScheduler } from "./kdpm2-ancestral-discrete-scheduler.js";
import { KDPM2DiscreteScheduler } from "./kdpm2-discrete-scheduler.js";
import { LCMScheduler } from "./lcm-scheduler.js";
import { LMSDiscreteScheduler } from "./lms-discrete-scheduler.js";
import { PNDMScheduler } from "./pndm-scheduler.js";
import { RePaintScheduler } from "./repaint-scheduler.js";
import { SASolverScheduler } from "./sa-solver-scheduler.js";
import type { Scheduler, SchedulerClass } from "./scheduler.js";
import { ScoreSdeVeScheduler } from "./score-sde-ve-scheduler.js";
import { TCDScheduler } from "./tcd-scheduler.js";
import { UnCLIPScheduler } from "./unclip-scheduler.js";
import { UniPCMultistepScheduler } from "./unipc-multistep-scheduler.js";

/** Any of the scheduler classes: made from options, from a folder, or from another class's scheduler. */
export type LoadableScheduler = SchedulerClass<Scheduler> &
  Pick<typeof Scheduler, "fromPretrained" | "fromConfig"> &
  (new (
    config?: object,
  ) => Scheduler);

export const schedulerClasses: readonly LoadableScheduler[] = [
  DDPMScheduler,
  DDIMScheduler,
  DDIMInverseScheduler,
  PNDMScheduler,
  LMSDiscreteScheduler,
  EulerDiscreteScheduler,
  EulerAncestralDiscreteScheduler,
  HeunDiscreteScheduler,
  KDPM2DiscreteScheduler,
  KDPM2AncestralDiscreteScheduler,
  DPMSolverMultistepScheduler,
  DPMSolverSinglestepScheduler,
  UniPCMultistepScheduler,
  DEISMultistepScheduler,
  LCMScheduler,
  TCDScheduler,
  IPNDMScheduler,
  EDMEulerScheduler,
  EDMDPMSolverMultistepScheduler,
  FlowMatchEulerDiscreteScheduler,
  FlowMatchHeunDiscreteScheduler,
  CMStochasticIterativeScheduler,
  DPMSolverMultistepInverseScheduler,
  DPMSolverSDEScheduler,
  SASolverScheduler,
  UnCLIPScheduler,
  ScoreSdeVeScheduler,
  RePaintScheduler,
];
