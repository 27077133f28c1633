/** `emberwing train`: from settings to data, model and scheduler, then the run and its results. */
import type { Command } from "commander";
import type { Dataset } from "../data/dataset.js";
import { loadDataset } from "../data/load-dataset.js";
import { plotLosses } from "../figures/losses.js";
import { type Image, imageGrid } from "../images.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { StepProgress } from "../pipelines/diffusion-pipeline.js";
import { Generator } from "../random/generator.js";
import { renderReport } from "../report/report.js";
import { DDPMScheduler } from "../schedulers/ddpm-scheduler.js";
import { Trainer } from "../training/trainer.js";
import { enlarge } from "./enlarge.js";
import { Interrupt } from "./interrupt.js";
import { showProgress } from "./progress.js";
import { RunFolder } from "./run-folder.js";
import { formatTable } from "./table.js";
import { addTrainOptions, resolveSettings, type TrainFlags, type TrainSettings } from "./train-options.js";
import { describeRun } from "./train-report.js";
import { TrainingRun } from "./training-run.js";

export function addTrainCommand(program: Command): void {
  const command = program.command("train").description("train a model on pictures, draw with it, write a report");
  addTrainOptions(command).action((flags: TrainFlags) => train(resolveSettings(flags)));
}

async function train(settings: TrainSettings): Promise<void> {
  using folder = await RunFolder.open(settings.outputDir);
  const generator = new Generator(settings.seed);
  using dataset = await loadPictures(settings);
  using model = await createModel(settings, generator);
  const pipeline = new DDPMPipeline({ unet: model, scheduler: createScheduler(settings) });
  process.stderr.write(announcement(settings, dataset, model));

  using interrupt = new Interrupt();
  const run = new TrainingRun(settings, folder, pipeline, interrupt);
  using trainer = createTrainer(settings, pipeline, dataset, generator);
  await run.train(trainer);
  const samples = await drawSamples(settings, pipeline, interrupt);
  const report = renderReport(describeRun({ settings, dataset, pipeline, run, samples }));
  process.stdout.write(await writeResults(folder, run, samples, report));
}

function loadPictures(settings: TrainSettings): Promise<Dataset> {
  const { datasetName, resolution, resize, centerCrop, randomFlip } = settings;
  const options = { resolution, resize, centerCrop, randomFlip };
  if (datasetName === "butterflies") return loadDataset(datasetName, options);
  return loadDataset(datasetName, { ...options, onWarning: (text) => process.stderr.write(`warning: ${text}\n`) });
}

function createModel({ model, resolution, device }: TrainSettings, generator: Generator): Promise<UNet2DModel> {
  return UNet2DModel.create({ ...model, sampleSize: resolution }, { device, generator });
}

function createScheduler({ ddpmNumSteps, ddpmBetaSchedule, predictionType }: TrainSettings): DDPMScheduler {
  return new DDPMScheduler({ numTrainTimesteps: ddpmNumSteps, betaSchedule: ddpmBetaSchedule, predictionType });
}

function createTrainer(
  settings: TrainSettings,
  { unet, scheduler }: DDPMPipeline,
  dataset: Dataset,
  generator: Generator,
): Trainer {
  const { numEpochs, maxTrainSteps } = settings;
  return new Trainer({
    ...{ model: unet, scheduler, dataset, generator },
    ...(maxTrainSteps === undefined ? { epochs: numEpochs } : { steps: maxTrainSteps }),
    batchSize: settings.trainBatchSize,
    learningRate: settings.learningRate,
    adamBeta1: settings.adamBeta1,
    adamBeta2: settings.adamBeta2,
    adamEpsilon: settings.adamEpsilon,
    adamWeightDecay: settings.adamWeightDecay,
    ...(settings.maxGradNorm !== undefined && { maxGradNorm: settings.maxGradNorm }),
    outputDir: settings.outputDir,
  });
}

function announcement({ datasetName, seed }: TrainSettings, dataset: Dataset, model: UNet2DModel): string {
  const [, height, width] = dataset.shape;
  const parameters = model.countParameters().toLocaleString("en");
  return `${datasetName}: ${dataset.length} pictures, ${width} × ${height}; ${parameters} parameters on ${model.device}; seed ${seed}\n`;
}

/** None where the run was stopped: then the user wants to leave, and `emberwing sample` can draw later. */
async function drawSamples(settings: TrainSettings, pipeline: DDPMPipeline, interrupt: Interrupt): Promise<Image[]> {
  if (interrupt.requested) return [];
  const { evalBatchSize: batchSize, ddpmNumInferenceSteps: numInferenceSteps, seed } = settings;
  const progress = showProgress("sampling");
  const onStep = ({ step, total }: StepProgress): void => progress.update(step, total);
  const output = await interrupt.untilRequested((signal) =>
    pipeline.generate({ batchSize, numInferenceSteps, seed, signal, onStep }),
  );
  progress.stop();
  return output?.images ?? [];
}

/** Writes what the run made beside its pipeline; returns the lines that say where. */
async function writeResults(folder: RunFolder, run: TrainingRun, samples: Image[], report: string): Promise<string> {
  const lines: [string, string][] = [["pipeline", `${folder.path} (loads in emberwing and in Python's diffusers)`]];
  if (samples.length > 0) lines.push(["samples", await folder.saveSamples(imageGrid(samples.map(enlarge)))]);
  if (run.losses.length > 0) lines.push(["loss", await folder.saveText("loss.svg", plotLosses(run.losses))]);
  lines.push(["report", await folder.saveText("report.html", report)]);
  return formatTable(lines);
}
