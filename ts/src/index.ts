/** The public API, the same in Node and in the browser; the entry files add `init`. */
export { DataLoader, type DataLoaderOptions } from "./data/data-loader.js";
export { Dataset } from "./data/dataset.js";
export { type DatasetSource, type LoadDatasetOptions, loadDataset } from "./data/load-dataset.js";
export { devices } from "./engine.js";
export { EmberwingError, type ErrorCode } from "./errors.js";
export { noiseLevelsFigure, plotLosses, plotNoiseSchedule } from "./figures/index.js";
export type { AdamWOptions } from "./generated/AdamWOptions.js";
export type { DDIMSchedulerConfig } from "./generated/DDIMSchedulerConfig.js";
export type { DDPMSchedulerConfig } from "./generated/DDPMSchedulerConfig.js";
export type { UNet2DModelConfig } from "./generated/UNet2DModelConfig.js";
export { Image, type ImageDataLike, type ImageGridOptions, imageGrid, imagesFromTensor } from "./images.js";
export type { Prediction } from "./models/prediction.js";
export {
  type BackwardOptions,
  type CreateOptions,
  type ForwardOptions,
  type LoadModelOptions,
  UNet2DModel,
} from "./models/unet-2d-model.js";
export { DDIMPipeline } from "./pipelines/ddim-pipeline.js";
export { DDPMPipeline } from "./pipelines/ddpm-pipeline.js";
export {
  DiffusionPipeline,
  type GenerateOptions,
  type LoadPipelineOptions,
  type PipelineComponent,
  type StepProgress,
} from "./pipelines/diffusion-pipeline.js";
export type { UnconditionalComponents, UnconditionalGenerateOptions } from "./pipelines/unconditional-pipeline.js";
export type { Files } from "./platform/files.js";
export type { PretrainedFolder, PretrainedSource } from "./pretrained/folder.js";
export { Generator, type RandomOptions } from "./random/generator.js";
export { DDIMScheduler } from "./schedulers/ddim-scheduler.js";
export { DDPMScheduler } from "./schedulers/ddpm-scheduler.js";
export { Scheduler, type SchedulerClass, type StepOptions, type StepOutput } from "./schedulers/scheduler.js";
export { IntTensor, type PerSample, type Tensor } from "./tensor.js";
export { AdamW } from "./training/adamw.js";
export { Trainer, type TrainerOptions, type TrainingEvent } from "./training/trainer.js";
