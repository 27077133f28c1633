/** All numbers of the presets. A flag on the command line wins over its preset. */
import type { DatasetOptions } from "../generated/DatasetOptions.js";
import type { DDPMSchedulerConfig } from "../generated/DDPMSchedulerConfig.js";
import type { LrScheduler } from "../generated/LrScheduler.js";
import type { UNet2DModelConfig } from "../generated/UNet2DModelConfig.js";

/** The settings of a run, named as the flags of diffusers' `train_unconditional.py`. */
export interface TrainingRecipe {
  datasetName: string;
  resolution: number;
  /** "shorter-side" keeps proportions and crops, "exact" stretches, as the course does. */
  resize: DatasetOptions["resize"];
  centerCrop: boolean;
  randomFlip: boolean;
  trainBatchSize: number;
  numEpochs: number;
  gradientAccumulationSteps: number;
  learningRate: number;
  lrScheduler: LrScheduler;
  /** Optimizer steps. */
  lrWarmupSteps: number;
  adamBeta1: number;
  adamBeta2: number;
  adamWeightDecay: number;
  adamEpsilon: number;
  /** Absent: gradients are not clipped. */
  maxGradNorm?: number;
  useEma: boolean;
  ddpmNumSteps: number;
  ddpmBetaSchedule: DDPMSchedulerConfig["betaSchedule"];
  predictionType: DDPMSchedulerConfig["predictionType"];
  /** Steps of the last samples; the grids in between take `PREVIEW_STEPS`. */
  ddpmNumInferenceSteps: number;
  evalBatchSize: number;
  saveImagesEpochs: number;
  saveModelEpochs: number;
  checkpointingSteps: number;
  /** Options of `UNet2DModel` besides `sampleSize`, which is the resolution. */
  model: Partial<UNet2DModelConfig>;
}

/** Denoising steps of the grids made while training goes on: DDIM shows in few steps where the model stands. */
export const PREVIEW_STEPS = 20;

/** Unit 1 of the diffusion course: 18.5 million parameters. */
const course: TrainingRecipe = {
  datasetName: "butterflies",
  resolution: 32,
  resize: "exact",
  centerCrop: false,
  randomFlip: true,
  trainBatchSize: 64,
  numEpochs: 30,
  gradientAccumulationSteps: 1,
  learningRate: 4e-4,
  lrScheduler: "constant",
  lrWarmupSteps: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamWeightDecay: 0.01,
  adamEpsilon: 1e-8,
  useEma: false,
  ddpmNumSteps: 1000,
  ddpmBetaSchedule: "squaredcos_cap_v2",
  predictionType: "epsilon",
  ddpmNumInferenceSteps: 1000,
  evalBatchSize: 16,
  saveImagesEpochs: 5,
  saveModelEpochs: 10,
  checkpointingSteps: 500,
  model: {
    layersPerBlock: 2,
    blockOutChannels: [64, 128, 128, 256],
    downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  },
};

/**
 * A smaller network that learns the built-in butterflies within minutes on two cores. It predicts the velocity: after so
 * few steps the noise at its strongest is not predicted well enough, and pictures made from it get tinted backgrounds.
 */
const quick: TrainingRecipe = {
  ...course,
  resize: "shorter-side",
  trainBatchSize: 32,
  numEpochs: 20,
  learningRate: 1e-3,
  predictionType: "v_prediction",
  ddpmNumInferenceSteps: 250,
  model: { ...course.model, blockOutChannels: [32, 64, 128, 128] },
};

/** The defaults of diffusers' `train_unconditional.py`: 113.7 million parameters. */
const script: TrainingRecipe = {
  datasetName: "butterflies",
  resolution: 64,
  resize: "shorter-side",
  centerCrop: false,
  randomFlip: false,
  trainBatchSize: 16,
  numEpochs: 100,
  gradientAccumulationSteps: 1,
  learningRate: 1e-4,
  lrScheduler: "cosine",
  lrWarmupSteps: 500,
  adamBeta1: 0.95,
  adamBeta2: 0.999,
  adamWeightDecay: 1e-6,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
  useEma: false,
  ddpmNumSteps: 1000,
  ddpmBetaSchedule: "linear",
  predictionType: "epsilon",
  ddpmNumInferenceSteps: 1000,
  evalBatchSize: 16,
  saveImagesEpochs: 10,
  saveModelEpochs: 10,
  checkpointingSteps: 500,
  model: {
    layersPerBlock: 2,
    blockOutChannels: [128, 128, 256, 256, 512, 512],
    downBlockTypes: [
      ...(["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"] as const),
      ...(["AttnDownBlock2D", "DownBlock2D"] as const),
    ],
    upBlockTypes: [
      ...(["UpBlock2D", "AttnUpBlock2D"] as const),
      ...(["UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"] as const),
    ],
  },
};

export const PRESETS = { quick, course, script };
export type PresetName = keyof typeof PRESETS;

/** A setting's value in each preset, for the help text. */
export function presetValues(key: Exclude<keyof TrainingRecipe, "model">): string {
  const presets: [string, TrainingRecipe][] = Object.entries(PRESETS);
  const values = presets.map(([name, preset]) => ({ name, value: String(preset[key] ?? "none") }));
  const [first] = values;
  const same = values.every(({ value }) => value === first?.value);
  return same ? String(first?.value) : values.map(({ name, value }) => `${value} in ${name}`).join(", ");
}
