/** The flags of `emberwing train`, named as in diffusers' `train_unconditional.py`. */
import { type Command, Option } from "commander";
import type { TrainerOptions } from "../generated/TrainerOptions.js";
import { addDeviceFlags, type DeviceFlags } from "./device-flags.js";
import { flagName } from "./flag-name.js";
import { PRESETS, type PresetName, presetValues, type TrainingRecipe } from "./presets.js";
import type { Logger } from "./run-folder.js";
import { integerFrom, numberFrom, pictureChannels } from "./values.js";

/** Settings of the trainer that no preset speaks of; where they are not given, its own defaults hold. */
export type TrainerFlags = Partial<
  Pick<
    TrainerOptions,
    | "lrNumCycles"
    | "lrPower"
    | "stepRules"
    | "emaMaxDecay"
    | "emaMinDecay"
    | "emaInvGamma"
    | "emaPower"
    | "snrGamma"
    | "noiseOffset"
    | "inputPerturbation"
    | "gradientCheckpointing"
    | "nan"
  >
>;

/** What commander hands over: a key is there only if its flag was given, or has a default of its own. */
export interface TrainFlags extends Partial<TrainingRecipe>, TrainerFlags, DeviceFlags {
  preset: PresetName;
  outputDir: string;
  seed: number;
  logger: Logger;
  trainDataDir?: string;
  imageColumn?: string;
  classLabels?: string;
  streaming?: boolean;
  channels?: 1 | 3;
  modelConfigNameOrPath?: string;
  pretrainedModelNameOrPath?: string;
  maxTrainSteps?: number;
  checkpointsTotalLimit?: number;
  resumeFromCheckpoint?: string;
}

/** Where the pipeline goes besides the folder. Apart from the others, so that no report can print the token. */
export interface HubFlags {
  pushToHub?: boolean;
  hubModelId?: string;
  hubPrivateRepo?: boolean;
  hubToken?: string;
}

const EXAMPLES = `
Examples:
  emberwing train                                        the built-in butterflies, in minutes
  emberwing train --train-data-dir photos --resolution 64
  emberwing train --preset course --dataset-name train.parquet --output-dir course
  emberwing train --max-train-steps 200 --seed 1 --output-dir short
  emberwing train --resume-from-checkpoint latest        goes on where a run was stopped or killed
  emberwing train --train-data-dir birds --class-labels folder --use-ema
  emberwing train --pretrained-model-name-or-path my_run --train-data-dir photos
  emberwing train --dataset-name hub:owner/pictures --push-to-hub --hub-model-id me/my_run

Flags are named as in diffusers' train_unconditional.py. Ctrl-C stops after the current step and saves the pipeline and
a checkpoint; a second Ctrl-C stops at once.`;

/** Adds all flags to the command. Defaults other than those of the preset and of the trainer stand here. */
export function addTrainFlags(command: Command): Command {
  command.addOption(
    new Option("--preset <name>", "settings to start from").choices(Object.keys(PRESETS)).default("quick"),
  );
  addDataFlags(command);
  addModelFlags(command);
  addTrainingFlags(command);
  addLearningRateFlags(command);
  addEmaFlags(command);
  addDiffusionFlags(command);
  addOutputFlags(command);
  addCheckpointFlags(command);
  addHubFlags(command);
  return command.addHelpText("after", EXAMPLES);
}

function addDataFlags(command: Command): void {
  const source = recipeOption(
    "datasetName",
    "<name>",
    '"butterflies" (drawn by emberwing), a folder of pictures or .parquet files, a .parquet file, "shards/*.parquet", or hub:owner/name',
  );
  const folder = new Option("--train-data-dir <folder>", "a folder of pictures, with its subfolders");
  command
    .addOption(source)
    .addOption(folder.conflicts("datasetName"))
    .option("--image-column <name>", "the column of the .parquet files with the pictures (found by itself)")
    .option(
      "--class-labels <source>",
      'learn classes: "folder", the subfolders, or a column of metadata.csv or .parquet',
    )
    .addOption(recipeOption("resolution", "<pixels>", "side of the square pictures").argParser(integerFrom(1)))
    .option("--streaming", "leave the pictures on disk and read them as they are drawn: for sets larger than memory")
    .option("--channels <n>", "3 for colour, 1 for grey (the model's)", pictureChannels)
    .addOption(recipeOption("resize", "<how>", "how other shapes become square").choices(["shorter-side", "exact"]))
    .addOption(recipeOption("centerCrop", "", "crop at the centre, not at random"))
    .option("--no-center-crop", "crop at random")
    .addOption(recipeOption("randomFlip", "", "mirror half of the pictures"))
    .option("--no-random-flip", "mirror none");
}

function addModelFlags(command: Command): void {
  const config = new Option(
    "--model-config-name-or-path <path>",
    "a config.json, or its folder, in place of the preset's",
  );
  const pretrained = "--pretrained-model-name-or-path <path>";
  command
    .addOption(config.conflicts("pretrainedModelNameOrPath"))
    .option(pretrained, "go on from the model and the noise schedule of a pipeline, or of hub:owner/name");
}

function addTrainingFlags(command: Command): void {
  const accumulation = recipeOption("gradientAccumulationSteps", "<n>", "batches that make one optimizer step");
  command
    .addOption(
      recipeOption("trainBatchSize", "<n>", "pictures that go through the model together").argParser(integerFrom(1)),
    )
    .addOption(recipeOption("numEpochs", "<n>", "how often each picture is seen").argParser(integerFrom(1)))
    .option("--max-train-steps <n>", "optimizer steps in all, in place of epochs", integerFrom(1))
    .addOption(accumulation.argParser(integerFrom(1)))
    .option("--gradient-checkpointing", "recompute activations: less memory, a third more time")
    .addOption(recipeOption("adamBeta1", "<beta>", "decay of the mean").argParser(numberFrom(0, 1)))
    .addOption(recipeOption("adamBeta2", "<beta>", "decay of the variance").argParser(numberFrom(0, 1)))
    .addOption(recipeOption("adamWeightDecay", "<decay>", "of AdamW").argParser(numberFrom(0)))
    .addOption(recipeOption("adamEpsilon", "<epsilon>", "of AdamW").argParser(numberFrom(0)))
    .addOption(recipeOption("maxGradNorm", "<norm>", "scale longer gradients down to this").argParser(numberFrom(0)))
    .addOption(
      new Option("--nan <policy>", 'a loss that is NaN or infinite: "stop" or "skip"').choices(["stop", "skip"]),
    );
}

function addLearningRateFlags(command: Command): void {
  const schedules = [
    ...["linear", "cosine", "cosine_with_restarts", "polynomial"],
    ...["constant", "constant_with_warmup", "piecewise_constant"],
  ];
  command
    .addOption(recipeOption("learningRate", "<rate>", "of AdamW").argParser(numberFrom(0)))
    .addOption(recipeOption("lrScheduler", "<name>", "how the rate changes").choices(schedules))
    .addOption(recipeOption("lrWarmupSteps", "<n>", "optimizer steps of rising from 0").argParser(integerFrom(0)))
    .option("--lr-num-cycles <n>", "of cosine_with_restarts (1)", integerFrom(1))
    .option("--lr-power <power>", "of polynomial (1)", numberFrom(0))
    .option("--step-rules <rules>", "of piecewise_constant, such as 1:1000,0.1:2000,0.01: factors until steps");
}

function addEmaFlags(command: Command): void {
  command
    .addOption(recipeOption("useEma", "", "keep a moving average of the weights, and draw with it"))
    .option("--no-use-ema", "keep none")
    .option("--ema-max-decay <decay>", "its largest decay (0.9999)", numberFrom(0))
    .option("--ema-min-decay <decay>", "its smallest decay (0)", numberFrom(0))
    .option("--ema-inv-gamma <number>", "how late the decay rises (1)", numberFrom(0))
    .option("--ema-power <power>", "how fast the decay rises (0.75)", numberFrom(0));
}

function addDiffusionFlags(command: Command): void {
  const schedules = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace"];
  const targets = ["epsilon", "sample", "v_prediction"];
  const inferenceSteps = recipeOption("ddpmNumInferenceSteps", "<n>", "denoising steps of the last samples");
  command
    .addOption(recipeOption("ddpmNumSteps", "<n>", "timesteps from picture to noise").argParser(integerFrom(2)))
    .addOption(recipeOption("ddpmBetaSchedule", "<name>", "how the noise grows").choices(schedules))
    .addOption(recipeOption("predictionType", "<type>", "what the model predicts").choices(targets))
    .addOption(inferenceSteps.argParser(integerFrom(1)))
    .option("--snr-gamma <gamma>", "weigh the loss by min(SNR, gamma); 5 is usual (off)", numberFrom(0))
    .option("--noise-offset <strength>", "noise of a whole channel, for dark and bright pictures (0)", numberFrom(0))
    .option("--input-perturbation <strength>", "noise that is not to be predicted; 0.1 is usual (0)", numberFrom(0));
}

function addOutputFlags(command: Command): void {
  const logger = new Option("--logger <name>", "who else gets the numbers and samples: a TensorBoard log in logs/");
  const saves = recipeOption("saveModelEpochs", "<n>", "epochs between saves of the pipeline");
  command
    .addOption(recipeOption("evalBatchSize", "<n>", "pictures in a grid of samples").argParser(integerFrom(1)))
    .addOption(recipeOption("saveImagesEpochs", "<n>", "epochs between grids of samples").argParser(integerFrom(1)))
    .addOption(saves.argParser(integerFrom(1)))
    .addOption(logger.choices(["tensorboard", "none"]).default("tensorboard"))
    .option("--output-dir <folder>", "where everything is written", "emberwing-output")
    .option("--seed <n>", "weights, order, crops and noise follow from it", integerFrom(0), 0);
  addDeviceFlags(command);
}

function addCheckpointFlags(command: Command): void {
  const steps = recipeOption("checkpointingSteps", "<n>", "optimizer steps between checkpoints");
  command
    .addOption(steps.argParser(integerFrom(1)))
    .option("--checkpoints-total-limit <n>", "checkpoints to keep (all)", integerFrom(1))
    .option("--resume-from-checkpoint <name>", '"latest", or a checkpoint folder: go on as if nothing had happened');
}

function addHubFlags(command: Command): void {
  command
    .option("--push-to-hub", "push the pipeline and a model card to the hub when the training is done")
    .option("--hub-model-id <id>", "the repository, such as me/my_run (yours, named as the --output-dir)")
    .option("--hub-private-repo", "make the repository private, where it has to be made")
    .option("--hub-token <token>", "a token that may write (HF_TOKEN, or the token that `hf auth login` stored)");
}

/** An option that each preset has a value for; the help says which. */
function recipeOption(key: Exclude<keyof TrainingRecipe, "model">, argument: string, description: string): Option {
  return new Option(`${flagName(key)} ${argument}`.trim(), `${description} (${presetValues(key)})`);
}
