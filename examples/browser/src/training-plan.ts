/** What a run is to do: everything that going on after a reload needs. */
import type { DDPMSchedulerConfig, UNet2DModelConfig } from "emberwing";

export interface TrainingPlan {
  /** How the model is called. */
  readonly name: string;
  readonly unet: Partial<UNet2DModelConfig>;
  readonly scheduler: Partial<DDPMSchedulerConfig>;
  /** The names of the user's pictures, in their order; absent: the butterflies. */
  readonly pictures?: readonly string[];
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly sampleEvery: number;
}

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}
