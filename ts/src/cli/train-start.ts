/** What a run starts from: the model of a preset or of a configuration file, or a whole pipeline. */
import type { UNet2DModelConfig } from "../generated/UNet2DModelConfig.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import { nodeFiles } from "../platform/node-files.js";
import type { Generator } from "../random/generator.js";
import { DDPMScheduler } from "../schedulers/ddpm-scheduler.js";
import { deviceOptions } from "./device-flags.js";
import { usageError } from "./failure.js";
import { loadPipeline } from "./load-pipeline.js";
import { warn } from "./output.js";
import type { TrainFlags } from "./train-flags.js";
import { channelsOf, resolveSettings, type TrainSettings } from "./train-options.js";

export interface TrainStart {
  settings: TrainSettings;
  /** The pipeline to train, for a number of classes (0: without). */
  createPipeline(generator: Generator, classes: number): Promise<DDPMPipeline>;
}

export async function startOf(flags: TrainFlags): Promise<TrainStart> {
  const { pretrainedModelNameOrPath, modelConfigNameOrPath } = flags;
  if (pretrainedModelNameOrPath !== undefined) return startFromPipeline(flags, pretrainedModelNameOrPath);
  const model = modelConfigNameOrPath === undefined ? undefined : await readModelConfig(modelConfigNameOrPath);
  return startAnew(resolveSettings({ ...flags, ...(model && { model }) }));
}

/** Random weights. */
function startAnew(settings: TrainSettings): TrainStart {
  const { model, resolution, ddpmNumSteps, ddpmBetaSchedule, predictionType } = settings;
  const channels = channelsOf(settings);
  return {
    settings,
    async createPipeline(generator, classes) {
      const config = {
        ...{ ...model, sampleSize: resolution, inChannels: channels, outChannels: channels },
        ...(classes > 0 && { numClassEmbeds: classes }),
      };
      const unet = await UNet2DModel.create(config, { ...deviceOptions(settings), generator });
      const betas = { numTrainTimesteps: ddpmNumSteps, betaSchedule: ddpmBetaSchedule };
      return new DDPMPipeline({ unet, scheduler: new DDPMScheduler({ ...betas, predictionType }) });
    },
  };
}

/** Its weights and its noise schedule, unless flags say otherwise of the latter. */
async function startFromPipeline(flags: TrainFlags, path: string): Promise<TrainStart> {
  const { unet, scheduler: stored } = await loadPipeline(path, deviceOptions(flags));
  const { ddpmNumSteps, ddpmBetaSchedule, predictionType } = flags;
  const scheduler = DDPMScheduler.fromConfig(stored, {
    ...(ddpmNumSteps !== undefined && { numTrainTimesteps: ddpmNumSteps }),
    ...(ddpmBetaSchedule !== undefined && { betaSchedule: ddpmBetaSchedule }),
    ...(predictionType !== undefined && { predictionType }),
  });
  const { numTrainTimesteps, betaSchedule, ...config } = scheduler.config;
  const process = {
    ddpmNumSteps: numTrainTimesteps,
    ddpmBetaSchedule: betaSchedule,
    predictionType: config.predictionType,
  };
  const model = { ...unet.config };
  const settings = resolveSettings({ ...flags, ...process, model, resolution: sideOf(unet, flags.resolution) });
  return { settings, createPipeline: async () => new DDPMPipeline({ unet, scheduler }) };
}

/** The side of the pictures that a model paints. */
function sideOf(unet: UNet2DModel, wanted: number | undefined): number {
  const [side, other] = [unet.config.sampleSize ?? wanted].flat();
  if (side === undefined || (other !== undefined && other !== side)) {
    throw usageError(
      `the pretrained model: expected one that paints squares, got ${JSON.stringify(unet.config.sampleSize)}`,
    );
  }
  if (wanted === undefined || wanted === side) return side;
  throw usageError(`--resolution: expected the ${side} of the pretrained model, got ${wanted}`);
}

/** A `config.json`, or the folder that holds it. */
async function readModelConfig(path: string): Promise<Partial<UNet2DModelConfig>> {
  if (!path.endsWith(".json")) return UNet2DModel.loadConfig(path, { onWarning: warn });
  return UNet2DModel.loadConfig(new Map([["config.json", await nodeFiles.read(path)]]), { onWarning: warn });
}
