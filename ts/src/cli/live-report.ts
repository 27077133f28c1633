/** `report.html` from the first step on: written again and again, each time whole, until the run has ended. */
import type { Dataset } from "../data/dataset.js";
import type { Image } from "../images.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import { renderReport } from "../report/report.js";
import type { RunFolder } from "./run-folder.js";
import type { TrainSettings } from "./train-options.js";
import { describeRun, type Stage } from "./train-report.js";
import type { TrainingRun } from "./training-run.js";

/** Without new pictures there is little to see earlier. */
const MILLISECONDS_BETWEEN_LOSSES = 10_000;

/**
 * A report waits at least this many times as long as the last one took to write. So reports never take more than a
 * hundredth of the time, be the steps of microseconds, the pictures many or the disk slow.
 */
const PATIENCE = 100;

export interface ReportSubject {
  settings: TrainSettings;
  dataset: Dataset;
  pipeline: DDPMPipeline;
  run: TrainingRun;
}

export class LiveReport {
  readonly #folder: RunFolder;
  readonly #subject: ReportSubject;
  #previews = -1;
  /** When the last one was done, and what it took. */
  #written = Number.NEGATIVE_INFINITY;
  #cost = 0;

  constructor(folder: RunFolder, subject: ReportSubject) {
    this.#folder = folder;
    this.#subject = subject;
  }

  /** Writes where it is time: at the start, after new pictures, and every ten seconds. */
  async follow(): Promise<void> {
    // Before the plan is known there is nothing to say.
    if (this.#subject.run.plannedSteps > 0 && this.#isDue()) await this.write({ name: "training" });
  }

  /** Writes at once; returns the file. */
  async write(stage: Stage, samples: readonly Image[] = []): Promise<string> {
    const start = performance.now();
    const report = renderReport(describeRun({ ...this.#subject, samples, stage }));
    const file = await this.#folder.saveText("report.html", report);
    this.#previews = this.#subject.run.previews.length;
    this.#written = performance.now();
    this.#cost = this.#written - start;
    return file;
  }

  #isDue(): boolean {
    const waited = performance.now() - this.#written;
    if (waited < PATIENCE * this.#cost) return false;
    return waited > MILLISECONDS_BETWEEN_LOSSES || this.#subject.run.previews.length !== this.#previews;
  }
}
