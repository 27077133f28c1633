/** A run as its report tells it, while it goes on and when it has ended. */
import { basename, resolve } from "node:path";
import type { Dataset } from "../data/dataset.js";
import { plotNoiseSchedule } from "../figures/noise-schedule.js";
import type { Image } from "../images.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { LiveStatus, ReportRow, RunReport } from "../report/report.js";
import { formatDuration } from "./durations.js";
import { flagName } from "./flag-name.js";
import { runCommand } from "./run-command.js";
import type { TrainSettings } from "./train-options.js";
import type { TrainingRun } from "./training-run.js";

/** The last steps are averaged, because single ones scatter. */
const STEPS_OF_LAST_LOSS = 20;

/** A page that is loaded again every five seconds can still be read. */
const REFRESH_SECONDS = 5;

/** Where a run stands. A run that fails says why. */
export type Stage = { name: "training" | "drawing" | "ended" } | { name: "failed"; problem: string };

export interface ReportedRun {
  settings: TrainSettings;
  dataset: Dataset;
  pipeline: DDPMPipeline;
  run: TrainingRun;
  samples: readonly Image[];
  stage: Stage;
}

export function describeRun(reported: ReportedRun): RunReport {
  const { settings, pipeline, run, samples } = reported;
  const live = liveStatus(reported);
  return {
    title: basename(resolve(settings.outputDir)),
    summary: summarise(reported),
    ...(live && { live }),
    facts: factsOf(reported),
    samples: samples.map((image, index) => ({ caption: `Sample ${index + 1}`, png: image.toPNG() })),
    progress: run.previews.map(({ step, epoch, png }) => ({
      caption: `Samples after epoch ${epoch}, step ${step}`,
      png,
    })),
    losses: run.losses,
    noiseSchedule: plotNoiseSchedule(pipeline.scheduler),
    settings: settingRows(settings),
    command: runCommand(settings),
    pipelineDir: settings.outputDir,
  };
}

function summarise({ settings, dataset, ...reported }: ReportedRun): string {
  const [, height, width] = dataset.shape;
  const size = `${width} × ${height}`;
  return `A diffusion model that learned from ${dataset.length} pictures (${settings.datasetName}, ${size}) to draw new ones.${endOf(reported)}`;
}

function endOf({ run, stage }: Pick<ReportedRun, "run" | "stage">): string {
  if (stage.name === "failed") return ` Failed after step ${run.step} of ${run.plannedSteps}: ${stage.problem}`;
  const isStopped = stage.name === "ended" && run.step < run.plannedSteps;
  return isStopped ? ` Stopped before step ${run.plannedSteps}, the planned end.` : "";
}

/** With the time of writing: the page of a run that was killed goes on saying what was true then. */
function liveStatus({ run, stage }: ReportedRun): LiveStatus | undefined {
  if (stage.name !== "training" && stage.name !== "drawing") return undefined;
  const { step, plannedSteps, secondsLeft } = run;
  const left = secondsLeft === undefined ? "" : `, ${formatDuration(secondsLeft)} left`;
  const doing =
    stage.name === "training" ? `Training, step ${step} of ${plannedSteps}${left}` : "Drawing the last samples";
  return { text: `${doing} (at ${new Date().toLocaleTimeString("en-GB")})`, refreshSeconds: REFRESH_SECONDS };
}

function factsOf({ pipeline, run }: ReportedRun): ReportRow[] {
  const last = run.losses.slice(-STEPS_OF_LAST_LOSS);
  const loss = last.reduce((sum, value) => sum + value, 0) / last.length;
  return [
    ["Steps", String(run.step)],
    ["Last loss", last.length > 0 ? loss.toFixed(4) : "none"],
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
