/** The public API, the same in Node and in the browser; the entry files add `init`. */
export { type Batch, DataLoader, type DataLoaderOptions } from "./data/data-loader.js";
export { Dataset } from "./data/dataset.js";
export { type DatasetSource, type LoadDatasetOptions, loadDataset } from "./data/load-dataset.js";
export { devices } from "./engine.js";
export { EmberwingError, type ErrorCode } from "./errors.js";
export { noiseLevelsFigure, plotLosses, plotNoiseSchedule } from "./figures/index.js";
export type { FloatType } from "./float-type.js";
export type { AdamWOptions } from "./generated/AdamWOptions.js";
export type { CMStochasticIterativeSchedulerConfig } from "./generated/CMStochasticIterativeSchedulerConfig.js";
export type { DDIMInverseSchedulerConfig } from "./generated/DDIMInverseSchedulerConfig.js";
export type { DDIMSchedulerConfig } from "./generated/DDIMSchedulerConfig.js";
export type { DDPMSchedulerConfig } from "./generated/DDPMSchedulerConfig.js";
export type { DEISMultistepSchedulerConfig } from "./generated/DEISMultistepSchedulerConfig.js";
export type { DPMSolverMultistepInverseSchedulerConfig } from "./generated/DPMSolverMultistepInverseSchedulerConfig.js";
export type { DPMSolverMultistepSchedulerConfig } from "./generated/DPMSolverMultistepSchedulerConfig.js";
export type { DPMSolverSDESchedulerConfig } from "./generated/DPMSolverSDESchedulerConfig.js";
export type { DPMSolverSinglestepSchedulerConfig } from "./generated/DPMSolverSinglestepSchedulerConfig.js";
export type { EDMDPMSolverMultistepSchedulerConfig } from "./generated/EDMDPMSolverMultistepSchedulerConfig.js";
export type { EDMEulerSchedulerConfig } from "./generated/EDMEulerSchedulerConfig.js";
export type { EulerAncestralDiscreteSchedulerConfig } from "./generated/EulerAncestralDiscreteSchedulerConfig.js";
export type { EulerDiscreteSchedulerConfig } from "./generated/EulerDiscreteSchedulerConfig.js";
export type { FlowMatchEulerDiscreteSchedulerConfig } from "./generated/FlowMatchEulerDiscreteSchedulerConfig.js";
export type { FlowMatchHeunDiscreteSchedulerConfig } from "./generated/FlowMatchHeunDiscreteSchedulerConfig.js";
export type { HeunDiscreteSchedulerConfig } from "./generated/HeunDiscreteSchedulerConfig.js";
export type { IPNDMSchedulerConfig } from "./generated/IPNDMSchedulerConfig.js";
export type { KDPM2DiscreteSchedulerConfig } from "./generated/KDPM2DiscreteSchedulerConfig.js";
export type { LCMSchedulerConfig } from "./generated/LCMSchedulerConfig.js";
export type { LMSDiscreteSchedulerConfig } from "./generated/LMSDiscreteSchedulerConfig.js";
export type { PNDMSchedulerConfig } from "./generated/PNDMSchedulerConfig.js";
export type { RePaintSchedulerConfig } from "./generated/RePaintSchedulerConfig.js";
export type { SASolverSchedulerConfig } from "./generated/SASolverSchedulerConfig.js";
export type { ScoreSdeVeSchedulerConfig } from "./generated/ScoreSdeVeSchedulerConfig.js";
export type { SetTimesteps } from "./generated/SetTimesteps.js";
export type { UNet2DModelConfig } from "./generated/UNet2DModelConfig.js";
export type { UnCLIPSchedulerConfig } from "./generated/UnCLIPSchedulerConfig.js";
export type { UniPCMultistepSchedulerConfig } from "./generated/UniPCMultistepSchedulerConfig.js";
export type { ModelCardOptions } from "./hub/model-card.js";
export { Image, type ImageDataLike, type ImageGridOptions, imageGrid, imagesFromTensor } from "./images.js";
export type { Prediction } from "./models/prediction.js";
export {
  type BackwardOptions,
  type CreateOptions,
  type DeviceOptions,
  type ForwardOptions,
  type LoadModelOptions,
  UNet2DModel,
} from "./models/unet-2d-model.js";
export type { ImageDataSource, PictureSource } from "./picture-sources.js";
export { DDIMPipeline } from "./pipelines/ddim-pipeline.js";
export { DDPMPipeline } from "./pipelines/ddpm-pipeline.js";
export {
  DiffusionPipeline,
  type GenerateOptions,
  type LoadPipelineOptions,
  type PipelineComponent,
  type PushToHubOptions,
  type StepProgress,
} from "./pipelines/diffusion-pipeline.js";
export type { PictureInput } from "./pipelines/picture-input.js";
export { PNDMPipeline } from "./pipelines/pndm-pipeline.js";
export { type RePaintGenerateOptions, RePaintPipeline } from "./pipelines/repaint-pipeline.js";
export type { UnconditionalComponents, UnconditionalGenerateOptions } from "./pipelines/unconditional-pipeline.js";
export { directoryFiles } from "./platform/directory-files.js";
export type { Files, OpenFile } from "./platform/files.js";
export type { HubAccess, HubOptions, HubProgress, PushResult } from "./platform/hub.js";
export type { SaveFolder, SavePretrainedOptions, SaveTarget } from "./pretrained/destination.js";
export type { PretrainedFolder, PretrainedSource } from "./pretrained/folder.js";
export { zip } from "./pretrained/zip.js";
export { Generator, type RandomOptions } from "./random/generator.js";
export { CMStochasticIterativeScheduler } from "./schedulers/cm-stochastic-iterative-scheduler.js";
export { DDIMInverseScheduler } from "./schedulers/ddim-inverse-scheduler.js";
export { DDIMScheduler } from "./schedulers/ddim-scheduler.js";
export { DDPMScheduler } from "./schedulers/ddpm-scheduler.js";
export { DEISMultistepScheduler } from "./schedulers/deis-multistep-scheduler.js";
export { DPMSolverMultistepInverseScheduler } from "./schedulers/dpm-solver-multistep-inverse-scheduler.js";
export { DPMSolverMultistepScheduler } from "./schedulers/dpm-solver-multistep-scheduler.js";
export { DPMSolverSDEScheduler } from "./schedulers/dpm-solver-sde-scheduler.js";
export { DPMSolverSinglestepScheduler } from "./schedulers/dpm-solver-singlestep-scheduler.js";
export { EDMDPMSolverMultistepScheduler } from "./schedulers/edm-dpm-solver-multistep-scheduler.js";
export { EDMEulerScheduler } from "./schedulers/edm-euler-scheduler.js";
export { EulerAncestralDiscreteScheduler } from "./schedulers/euler-ancestral-discrete-scheduler.js";
export { EulerDiscreteScheduler } from "./schedulers/euler-discrete-scheduler.js";
export { FlowMatchEulerDiscreteScheduler } from "./schedulers/flow-match-euler-discrete-scheduler.js";
export { FlowMatchHeunDiscreteScheduler } from "./schedulers/flow-match-heun-discrete-scheduler.js";
export { HeunDiscreteScheduler } from "./schedulers/heun-discrete-scheduler.js";
export { IPNDMScheduler } from "./schedulers/ipndm-scheduler.js";
export { KDPM2AncestralDiscreteScheduler } from "./schedulers/kdpm2-ancestral-discrete-scheduler.js";
export { KDPM2DiscreteScheduler } from "./schedulers/kdpm2-discrete-scheduler.js";
export { LCMScheduler } from "./schedulers/lcm-scheduler.js";
export { LMSDiscreteScheduler } from "./schedulers/lms-discrete-scheduler.js";
export { PNDMScheduler } from "./schedulers/pndm-scheduler.js";
export type { LoadableScheduler } from "./schedulers/registry.js";
export { RePaintScheduler } from "./schedulers/repaint-scheduler.js";
export { SASolverScheduler } from "./schedulers/sa-solver-scheduler.js";
export { Scheduler, type SchedulerClass, type StepOptions, type StepOutput } from "./schedulers/scheduler.js";
export { ScoreSdeVeScheduler } from "./schedulers/score-sde-ve-scheduler.js";
export { TCDScheduler } from "./schedulers/tcd-scheduler.js";
export { UnCLIPScheduler } from "./schedulers/unclip-scheduler.js";
export { UniPCMultistepScheduler } from "./schedulers/unipc-multistep-scheduler.js";
export { IntTensor, type PerSample, type Tensor } from "./tensor.js";
export { AdamW } from "./training/adamw.js";
export { EMAModel } from "./training/ema-model.js";
export { LRScheduler, type LRSchedulerOptions } from "./training/lr-scheduler.js";
export { Trainer, type TrainerOptions, type TrainingEvent } from "./training/trainer.js";
