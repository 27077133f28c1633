/** `run.json`: what a run is, written before its first step. The studio compares runs by it. */
import type { UNet2DModelConfig } from "../generated/UNet2DModelConfig.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { TrainingEvent } from "../training/trainer.js";
import { packageVersion } from "./package-version.js";
import { runCommand } from "./run-command.js";
import type { TrainSettings } from "./train-options.js";

export interface RunRecord {
  /** The version that runs. */
  emberwing: string;
  /** When this process began to train, as ISO 8601; after a resume, when that began. */
  began: string;
  command: string;
  plannedSteps: number;
  /** Pictures in the data set. */
  images: number;
  parameters: number;
  /** Named as the flags; those that were not given and that no preset speaks of are not there. */
  settings: Omit<TrainSettings, "model">;
  /** Complete, as in `unet/config.json`. */
  model: UNet2DModelConfig;
}

export function recordRun(
  settings: TrainSettings,
  { unet }: DDPMPipeline,
  plan: Extract<TrainingEvent, { type: "start" }>,
): RunRecord {
  const { model: _, ...flags } = settings;
  return {
    emberwing: packageVersion(),
    began: new Date().toISOString(),
    command: runCommand(settings),
    plannedSteps: plan.steps,
    images: plan.images,
    parameters: plan.parameters,
    settings: flags,
    model: unet.config,
  };
}
