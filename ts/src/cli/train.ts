/** `emberwing train`: from settings to data, model and scheduler, then the run and its results. */
import type { Command } from "commander";
import type { Dataset } from "../data/dataset.js";
import { loadDataset } from "../data/load-dataset.js";
import { plotLosses } from "../figures/losses.js";
import { isHubSource } from "../hub/hub-repo.js";
import { type Image, imageGrid } from "../images.js";
import type { UNet2DModel } from "../models/unet-2d-model.js";
import { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { StepProgress } from "../pipelines/diffusion-pipeline.js";
import { Generator } from "../random/generator.js";
import { Trainer, type TrainerOptions } from "../training/trainer.js";
import { enlarge } from "./enlarge.js";
import { Interrupt } from "./interrupt.js";
import { LiveReport } from "./live-report.js";
import { warn } from "./output.js";
import { showProgress } from "./progress.js";
import { RunFolder } from "./run-folder.js";
import { classesInTurn } from "./sampling.js";
import { formatTable } from "./table.js";
import { addTrainFlags, type HubFlags, type TrainFlags } from "./train-flags.js";
import { channelsOf, type TrainSettings } from "./train-options.js";
import { checkHubFlags, openPushTarget } from "./train-push.js";
import { describeRun } from "./train-report.js";
import { startOf } from "./train-start.js";
import { TrainingRun } from "./training-run.js";
import { withTransfers } from "./transfers.js";

export function addTrainCommand(program: Command): void {
  const command = program.command("train").description("train a model on pictures, draw with it, write a report");
  addTrainFlags(command).action(train);
}

async function train(given: TrainFlags & HubFlags): Promise<void> {
  const { pushToHub, hubModelId, hubPrivateRepo, hubToken, ...flags } = given;
  const hubFlags = { pushToHub, hubModelId, hubPrivateRepo, hubToken };
  checkHubFlags(hubFlags, flags.outputDir);
  const { settings, createPipeline } = await startOf(flags);
  await using folder = await RunFolder.open(settings.outputDir, settings.logger);
  const target = await openPushTarget(hubFlags, settings.outputDir);
  const generator = new Generator(settings.seed);
  using dataset = await loadPictures(settings);
  const pipeline = await createPipeline(generator, dataset.classNames.length);
  using model = pipeline.unet;
  process.stderr.write(announcement(settings, dataset, model));

  using interrupt = new Interrupt();
  const run = new TrainingRun(settings, folder, pipeline, interrupt);
  using trainer = new Trainer(trainerOptions(settings, pipeline, dataset, generator), folder.lock);
  const report = new LiveReport(folder, { settings, dataset, pipeline, run });
  const lines = await reportingFailure(report, async () => {
    await run.train(trainer, () => report.follow());
    await report.write({ name: interrupt.requested ? "ended" : "drawing" });
    const trained = settings.useEma
      ? new DDPMPipeline({ ...pipeline.components, unet: await trainer.emaModel() })
      : pipeline;
    const samples = await drawSamples(settings, trained, interrupt);
    const withoutEma = settings.useEma ? await drawSamples(settings, pipeline, interrupt) : [];
    const written = await writeResults(folder, { run, dataset, samples, withoutEma });
    written.push(["report", await report.write({ name: "ended" }, samples)]);
    if (target && !interrupt.requested) {
      const described = describeRun({ settings, dataset, pipeline, run, samples, stage: { name: "ended" } });
      written.push(["pushed to", await target.push(trained, described, sheetOf(samples))]);
    }
    return written;
  });
  process.stdout.write(formatTable(lines));
  if (target && interrupt.requested) process.stderr.write("nothing was pushed, as the run was stopped\n");
}

/** So that the report of a run that failed does not go on saying that it trains. */
async function reportingFailure<T>(report: LiveReport, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Where the disk is full this fails as well; the user is told of the first error.
    await report.write({ name: "failed", problem: (error as Error).message }).catch(() => undefined);
    throw error;
  }
}

function loadPictures(settings: TrainSettings): Promise<Dataset> {
  const { datasetName, resolution, resize, centerCrop, randomFlip, classLabels, imageColumn, streaming } = settings;
  const options = { resolution, resize, centerCrop, randomFlip, channels: channelsOf(settings) };
  if (datasetName === "butterflies") return loadDataset(datasetName, options);
  const columns = {
    ...(classLabels !== undefined && { classLabels }),
    ...(imageColumn !== undefined && { imageColumn }),
  };
  const stored = { ...columns, ...(streaming && { streaming }), onWarning: warn };
  if (!isHubSource(datasetName)) return loadDataset(datasetName, { ...options, ...stored });
  return withTransfers("downloading", (onProgress) => loadDataset(datasetName, { ...options, ...stored, onProgress }));
}

/** The settings that are the trainer's under the same name; those that are absent take its defaults. */
const TRAINER_SETTINGS = [
  ...["gradientAccumulationSteps", "gradientCheckpointing", "learningRate", "lrScheduler", "lrWarmupSteps"],
  ...["lrNumCycles", "lrPower", "stepRules", "adamBeta1", "adamBeta2", "adamEpsilon", "adamWeightDecay", "maxGradNorm"],
  ...["useEma", "emaMaxDecay", "emaMinDecay", "emaInvGamma", "emaPower", "snrGamma", "noiseOffset"],
  ...["inputPerturbation", "nan", "outputDir", "saveModelEpochs", "checkpointingSteps", "checkpointsTotalLimit"],
  "resumeFromCheckpoint",
] as readonly (keyof TrainerOptions & keyof TrainSettings)[];

function trainerOptions(
  settings: TrainSettings,
  { unet, scheduler }: DDPMPipeline,
  dataset: Dataset,
  generator: Generator,
): TrainerOptions {
  const { numEpochs, maxTrainSteps, trainBatchSize } = settings;
  const given = TRAINER_SETTINGS.filter((key) => settings[key] !== undefined);
  return {
    ...{ model: unet, scheduler, dataset, generator, batchSize: trainBatchSize },
    ...(maxTrainSteps === undefined ? { epochs: numEpochs } : { steps: maxTrainSteps }),
    ...Object.fromEntries(given.map((key) => [key, settings[key]])),
  };
}

function announcement({ datasetName, seed }: TrainSettings, dataset: Dataset, model: UNet2DModel): string {
  const [, height, width] = dataset.shape;
  const parameters = model.countParameters().toLocaleString("en");
  const classes = dataset.classNames.length > 0 ? `, ${dataset.classNames.length} classes` : "";
  return `${datasetName}: ${dataset.length} pictures, ${width} × ${height}${classes}; ${parameters} parameters on ${model.device}; seed ${seed}\n`;
}

/** None where the run was stopped: then the user wants to leave, and `emberwing sample` can draw later. */
async function drawSamples(settings: TrainSettings, pipeline: DDPMPipeline, interrupt: Interrupt): Promise<Image[]> {
  if (interrupt.requested) return [];
  const { evalBatchSize: batchSize, ddpmNumInferenceSteps: numInferenceSteps, seed } = settings;
  const classLabels = classesInTurn(pipeline.unet, batchSize);
  const progress = showProgress("sampling");
  const onStep = ({ step, total }: StepProgress): void => progress.update(step, total);
  const output = await interrupt.untilRequested((signal) =>
    pipeline.generate({ batchSize, classLabels, numInferenceSteps, seed, signal, onStep }),
  );
  progress.stop();
  return output?.images ?? [];
}

const sheetOf = (images: Image[]): Image => imageGrid(images.map(enlarge));

interface Results {
  run: TrainingRun;
  dataset: Dataset;
  samples: Image[];
  /** Drawn with the weights themselves, where `samples` are drawn with their average. */
  withoutEma: Image[];
}

/** Writes what the run made beside its pipeline; returns what to say of where. */
async function writeResults(folder: RunFolder, results: Results): Promise<[string, string][]> {
  const { run, dataset, samples, withoutEma } = results;
  const lines: [string, string][] = [["pipeline", `${folder.path} (loads in emberwing and in Python's diffusers)`]];
  if (samples.length > 0) lines.push(["samples", await folder.saveSamples("samples.png", sheetOf(samples))]);
  if (withoutEma.length > 0) {
    lines.push(["without EMA", await folder.saveSamples("samples-without-ema.png", sheetOf(withoutEma))]);
  }
  if (dataset.classNames.length > 0) {
    lines.push(["classes", await folder.saveText("classes.json", `${JSON.stringify(dataset.classNames, null, 2)}\n`)]);
  }
  if (run.losses.length > 0) lines.push(["loss", await folder.saveText("loss.svg", plotLosses(run.losses))]);
  return lines;
}
