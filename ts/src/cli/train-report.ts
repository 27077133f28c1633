/** A finished run as its report tells it. */
import { basename, resolve } from "node:path";
import type { Dataset } from "../data/dataset.js";
import { plotNoiseSchedule } from "../figures/noise-schedule.js";
import type { Image } from "../images.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { ReportRow, RunReport } from "../report/report.js";
import { formatDuration } from "./durations.js";
import { flagName } from "./flag-name.js";
import { PRESETS } from "./presets.js";
import type { TrainSettings } from "./train-options.js";
import type { TrainingRun } from "./training-run.js";

/** The last steps are averaged, because single ones scatter. */
const STEPS_OF_FINAL_LOSS = 20;

export interface FinishedRun {
  settings: TrainSettings;
  dataset: Dataset;
  pipeline: DDPMPipeline;
  run: TrainingRun;
  samples: readonly Image[];
}

export function describeRun(finished: FinishedRun): RunReport {
  const { settings, pipeline, run, samples } = finished;
  return {
    title: basename(resolve(settings.outputDir)),
    summary: summarise(finished),
    facts: factsOf(finished),
    samples: samples.map((image, index) => ({ caption: `Sample ${index + 1}`, png: image.toPNG() })),
    progress: run.previews.map(({ step, epoch, grid }) => ({
      caption: `Samples after epoch ${epoch}, step ${step}`,
      png: grid.toPNG(),
    })),
    losses: run.losses,
    noiseSchedule: plotNoiseSchedule(pipeline.scheduler),
    settings: settingRows(settings),
    command: commandLine(settings),
    pipelineDir: settings.outputDir,
  };
}

function summarise({ settings, dataset, run }: FinishedRun): string {
  const [, height, width] = dataset.shape;
  const size = `${width} × ${height}`;
  const stopped =
    run.losses.length < run.plannedSteps ? ` Stopped before step ${run.plannedSteps}, the planned end.` : "";
  return `A diffusion model that learned from ${dataset.length} pictures (${settings.datasetName}, ${size}) to draw new ones.${stopped}`;
}

function factsOf({ pipeline, run }: FinishedRun): ReportRow[] {
  const last = run.losses.slice(-STEPS_OF_FINAL_LOSS);
  const loss = last.reduce((sum, value) => sum + value, 0) / last.length;
  return [
    ["Steps", String(run.losses.length)],
    ["Final loss", last.length > 0 ? loss.toFixed(4) : "none"],
    ["Training time", formatDuration(run.seconds)],
    ["Images/s", run.imagesPerSecond > 0 ? run.imagesPerSecond.toFixed(1) : "none"],
    ["Parameters", pipeline.unet.countParameters().toLocaleString("en")],
    ["Device", pipeline.unet.device],
  ];
}

/** Every setting as its flag, then the model's options; lists with commas. */
function settingRows({ model, ...settings }: TrainSettings): ReportRow[] {
  const flags = Object.entries(settings).map(([key, value]): ReportRow => [flagName(key), String(value)]);
  return [...flags, ...Object.entries(model).map(([key, value]): ReportRow => [key, [value].flat().join(", ")])];
}

/** The preset and what differs from it; the seed always, because the result follows from it. */
function commandLine({ model, resumeFromCheckpoint, logger, preset, ...settings }: TrainSettings): string {
  const ofPreset: Record<string, unknown> = { ...PRESETS[preset] };
  const flags = Object.entries(settings)
    .filter(([key, value]) => value !== undefined && value !== ofPreset[key])
    .map(([key, value]) =>
      typeof value === "boolean" ? switchFlag(key, value) : `${flagName(key)} ${shellQuoted(String(value))}`,
    );
  return ["npx emberwing train", `--preset ${preset}`, ...flags].join(" ");
}

const switchFlag = (key: string, on: boolean): string => (on ? flagName(key) : flagName(key).replace("--", "--no-"));

const shellQuoted = (text: string): string => (/^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
