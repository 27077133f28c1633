/** The flags of `emberwing train`, and how they become the settings of a run. */
import { type Command, Option } from "commander";
import { call, devices } from "../engine.js";
import { describe, EmberwingError } from "../errors.js";
import { usageError } from "./failure.js";
import { flagName } from "./flag-name.js";
import { PRESETS, type PresetName, presetValues, type TrainingRecipe } from "./presets.js";
import { integerFrom, numberFrom } from "./values.js";

/** What commander hands over: a key is there only if its flag was given, or has a default of its own. */
export interface TrainFlags extends Partial<TrainingRecipe> {
  preset: PresetName;
  outputDir: string;
  seed: number;
  device: string;
  trainDataDir?: string;
  maxTrainSteps?: number;
  maxGradNorm?: number;
}

/** The settings of a run, complete and checked. */
export type TrainSettings = TrainingRecipe & Omit<TrainFlags, keyof TrainingRecipe | "trainDataDir">;

const EXAMPLES = `
Examples:
  emberwing train                                        the built-in butterflies, in minutes
  emberwing train --train-data-dir photos --resolution 64
  emberwing train --preset course --dataset-name train.parquet --output-dir course
  emberwing train --max-train-steps 200 --seed 1 --output-dir short

Flags are named as in diffusers' train_unconditional.py. Ctrl-C stops after the current step and saves the pipeline.`;

/** Adds all flags to the command. Defaults other than those of the preset stand here. */
export function addTrainOptions(command: Command): Command {
  command.addOption(
    new Option("--preset <name>", "settings to start from").choices(Object.keys(PRESETS)).default("quick"),
  );
  addDataOptions(command);
  addTrainingOptions(command);
  addDiffusionOptions(command);
  addOutputOptions(command);
  return command.addHelpText("after", EXAMPLES);
}

function addDataOptions(command: Command): void {
  const folder = new Option("--train-data-dir <folder>", "a folder of pictures, with its subfolders");
  command
    .addOption(
      recipeOption("datasetName", "<name>", '"butterflies" (drawn by emberwing), a folder, or a .parquet file'),
    )
    .addOption(folder.conflicts("datasetName"))
    .addOption(recipeOption("resolution", "<pixels>", "side of the square pictures").argParser(integerFrom(1)))
    .addOption(recipeOption("resize", "<how>", "how other shapes become square").choices(["shorter-side", "exact"]))
    .addOption(recipeOption("centerCrop", "", "crop at the centre, not at random"))
    .option("--no-center-crop", "crop at random")
    .addOption(recipeOption("randomFlip", "", "mirror half of the pictures"))
    .option("--no-random-flip", "mirror none");
}

function addTrainingOptions(command: Command): void {
  command
    .addOption(recipeOption("trainBatchSize", "<n>", "pictures a step").argParser(integerFrom(1)))
    .addOption(recipeOption("numEpochs", "<n>", "how often each picture is seen").argParser(integerFrom(1)))
    .option("--max-train-steps <n>", "steps in all, in place of epochs", integerFrom(1))
    .addOption(recipeOption("learningRate", "<rate>", "of AdamW").argParser(numberFrom(0)))
    .addOption(recipeOption("adamBeta1", "<beta>", "decay of the mean").argParser(numberFrom(0, 1)))
    .addOption(recipeOption("adamBeta2", "<beta>", "decay of the variance").argParser(numberFrom(0, 1)))
    .addOption(recipeOption("adamWeightDecay", "<decay>", "of AdamW").argParser(numberFrom(0)))
    .addOption(recipeOption("adamEpsilon", "<epsilon>", "of AdamW").argParser(numberFrom(0)))
    .option("--max-grad-norm <norm>", "scale longer gradients down to this", numberFrom(0));
}

function addDiffusionOptions(command: Command): void {
  const schedules = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"];
  const targets = ["epsilon", "sample", "v_prediction"];
  const inferenceSteps = recipeOption("ddpmNumInferenceSteps", "<n>", "denoising steps of the last samples");
  command
    .addOption(recipeOption("ddpmNumSteps", "<n>", "timesteps from picture to noise").argParser(integerFrom(2)))
    .addOption(recipeOption("ddpmBetaSchedule", "<name>", "how the noise grows").choices(schedules))
    .addOption(recipeOption("predictionType", "<type>", "what the model predicts").choices(targets))
    .addOption(inferenceSteps.argParser(integerFrom(1)));
}

function addOutputOptions(command: Command): void {
  command
    .addOption(recipeOption("evalBatchSize", "<n>", "pictures in a grid of samples").argParser(integerFrom(1)))
    .addOption(recipeOption("saveImagesEpochs", "<n>", "epochs between grids of samples").argParser(integerFrom(1)))
    .option("--output-dir <folder>", "where everything is written", "emberwing-output")
    .option("--seed <n>", "weights, order, crops and noise follow from it", integerFrom(0), 0)
    .option("--device <name>", "where to calculate: see `emberwing info`", "cpu");
}

/** An option that each preset has a value for; the help says which. */
function recipeOption(key: Exclude<keyof TrainingRecipe, "model">, argument: string, description: string): Option {
  return new Option(`${flagName(key)} ${argument}`.trim(), `${description} (${presetValues(key)})`);
}

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
  checkDevice(settings.device);
  return settings;
}

/** So that a folder is not taken for the built-in set of that name. */
const folderPath = (path: string): string => (/[/\\]/.test(path) ? path : `./${path}`);

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

/** Also for the other commands with `--device`. */
export function checkDevice(device: string): void {
  try {
    call((core) => core.deviceName(device));
  } catch (error) {
    if (!(error instanceof EmberwingError)) throw error;
    const known = [...devices(), "auto"].map(describe).join(", ");
    throw usageError(`--device: expected one of ${known}, got ${describe(device)} (${error.message})`);
  }
}
