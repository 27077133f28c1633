/** From the flags of `emberwing train` to the settings of a run. */
import type { UNet2DModelConfig } from "../generated/UNet2DModelConfig.js";
import { isHubSource } from "../hub/hub-repo.js";
import { checkDevice } from "./device-flags.js";
import { usageError } from "./failure.js";
import { PRESETS, type TrainingRecipe } from "./presets.js";
import type { TrainFlags } from "./train-flags.js";

/** The settings of a run, complete and checked. */
export type TrainSettings = TrainingRecipe & Omit<TrainFlags, keyof TrainingRecipe | "trainDataDir">;

/** Preset, then flags; refuses what cannot work before anything is loaded or written. */
export function resolveSettings({ trainDataDir, ...flags }: TrainFlags): TrainSettings {
  const preset: TrainingRecipe = PRESETS[flags.preset];
  const settings = {
    ...preset,
    // A shorter process has fewer steps to take: the preset's number gives way, the user's own is checked below.
    ddpmNumInferenceSteps: Math.min(preset.ddpmNumInferenceSteps, flags.ddpmNumSteps ?? preset.ddpmNumSteps),
    ...flags,
    ...(trainDataDir !== undefined && { datasetName: folderPath(trainDataDir) }),
  };
  checkResolution(settings);
  checkInferenceSteps(settings);
  checkBuiltIn(settings);
  checkDevice(settings);
  return settings;
}

/** So that a folder is not taken for the built-in set of that name, or for a repository. */
const folderPath = (path: string): string => (/[/\\]/.test(path) && !isHubSource(path) ? path : `./${path}`);

/** Each block but the last halves the picture. */
function checkResolution({ resolution, model }: TrainSettings): void {
  const factor = 2 ** ((model.blockOutChannels?.length ?? 1) - 1);
  if (resolution % factor === 0) return;
  throw usageError(`--resolution: expected a multiple of ${factor} for this preset's model, got ${resolution}`);
}

function checkInferenceSteps({ ddpmNumInferenceSteps, ddpmNumSteps }: TrainSettings): void {
  if (ddpmNumInferenceSteps <= ddpmNumSteps) return;
  throw usageError(
    `--ddpm-num-inference-steps: expected at most the ${ddpmNumSteps} of --ddpm-num-steps, got ${ddpmNumInferenceSteps}`,
  );
}

function checkBuiltIn({ classLabels, imageColumn, streaming, datasetName }: TrainSettings): void {
  if (datasetName !== "butterflies") return;
  const instead = "give --train-data-dir or a .parquet file";
  if (classLabels !== undefined) {
    throw usageError(`--class-labels: the built-in butterflies have no classes; ${instead}`);
  }
  if (imageColumn !== undefined) {
    throw usageError(`--image-column: the built-in butterflies have no columns; ${instead}`);
  }
  if (streaming) throw usageError(`--streaming: the built-in butterflies are not on disk; ${instead}`);
}

/** The channels of the pictures: the model's, unless the user says. */
export function channelsOf({ channels, model }: { channels?: 1 | 3; model: Partial<UNet2DModelConfig> }): 1 | 3 {
  const wanted = channels ?? model.inChannels ?? 3;
  if (wanted === 1 || wanted === 3) return wanted;
  throw usageError(
    `the model takes ${wanted} channels; picture files have 1 or 3, train with the \`Trainer\` class on other data`,
  );
}
