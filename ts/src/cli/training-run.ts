/** A training run as the command line does it: every step logged, grids of samples in between. */
import { imageGrid } from "../images.js";
import { DDIMPipeline } from "../pipelines/ddim-pipeline.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { Trainer, TrainingEvent } from "../training/trainer.js";
import type { Interrupt } from "./interrupt.js";
import { warn } from "./output.js";
import { PREVIEW_STEPS } from "./presets.js";
import { showProgress } from "./progress.js";
import type { RunFolder } from "./run-folder.js";
import { recordRun } from "./run-record.js";
import { classesInTurn } from "./sampling.js";
import type { TrainSettings } from "./train-options.js";

type EventOf<Type extends TrainingEvent["type"]> = Extract<TrainingEvent, { type: Type }>;

/** The grid of the same noise, denoised by the model of that time. */
export interface Preview {
  readonly step: number;
  readonly epoch: number;
  readonly png: Uint8Array;
}

export class TrainingRun {
  readonly losses: number[] = [];
  readonly previews: Preview[] = [];
  /** Seconds of training, without the time that sampling took; those before a resume count. */
  seconds = 0;

  readonly #settings: TrainSettings;
  readonly #folder: RunFolder;
  readonly #pipeline: DDPMPipeline;
  readonly #interrupt: Interrupt;
  readonly #progress = showProgress("training");
  #plan: EventOf<"start"> | undefined;
  #resumedFrom: string | undefined;
  #trainer: Trainer | undefined;
  #step = 0;
  #began = 0;
  /** Pictures and seconds since this process began. */
  #images = 0;
  #busy = 0;

  constructor(settings: TrainSettings, folder: RunFolder, pipeline: DDPMPipeline, interrupt: Interrupt) {
    this.#settings = settings;
    this.#folder = folder;
    this.#pipeline = pipeline;
    this.#interrupt = interrupt;
  }

  /** How many steps the run was to take; fewer were taken where Ctrl-C came. */
  get plannedSteps(): number {
    return this.#plan?.steps ?? 0;
  }

  /** The steps that are done, those before a resume included. */
  get step(): number {
    return this.#step;
  }

  /** If the rest goes on as fast as this process has been, pictures in between included; absent before its first step. */
  get secondsLeft(): number | undefined {
    const done = this.#step - (this.#plan?.step ?? 0);
    if (done === 0) return undefined;
    return ((performance.now() - this.#began) / 1000 / done) * (this.plannedSteps - this.#step);
  }

  /** 0 before the first step. */
  get imagesPerSecond(): number {
    return this.#busy > 0 ? this.#images / this.#busy : 0;
  }

  /**
   * Trains to the end, or to the end of the step in which Ctrl-C came. The trainer saves pipeline and checkpoints.
   *
   * @param afterEvent Called whenever something happened.
   */
  async train(trainer: Trainer, afterEvent: () => Promise<void>): Promise<void> {
    this.#trainer = trainer;
    try {
      let asked = performance.now();
      for await (const event of trainer.run()) {
        await this.#handle(event, (performance.now() - asked) / 1000);
        await afterEvent();
        if (this.#interrupt.requested) break;
        asked = performance.now();
      }
    } finally {
      this.#progress.stop();
    }
  }

  async #handle(event: TrainingEvent, seconds: number): Promise<void> {
    switch (event.type) {
      case "warning":
        return warn(event.message);
      case "resumed":
        this.#resumedFrom = event.path;
        process.stderr.write(`going on from ${event.path}\n`);
        return;
      case "start":
        return this.#begin(event);
      case "step":
        return this.#recordStep(event, seconds);
      case "skipped":
        this.#step = event.step;
        return warn(`step ${event.step} changed nothing: ${event.problem}`);
      case "checkpoint":
        return this.#folder.keepMetrics(event.path);
      case "epoch":
        return this.#wantsPreview(event.epoch) ? this.#preview(event) : undefined;
      case "done":
        return;
    }
  }

  async #begin(plan: EventOf<"start">): Promise<void> {
    this.#plan = plan;
    this.#step = plan.step;
    this.#began = performance.now();
    const { metrics, grids } = await this.#folder.begin(plan.step, this.#resumedFrom);
    await this.#folder.saveRecord(recordRun(this.#settings, this.#pipeline, plan));
    this.losses.push(...metrics.map(({ loss }) => loss));
    this.seconds = metrics.at(-1)?.seconds ?? 0;
    const epochOf = (step: number): number => Math.ceil(step / plan.stepsPerEpoch);
    this.previews.push(...grids.map(({ step, grid }) => ({ step, epoch: epochOf(step), png: grid.toPNG() })));
  }

  #recordStep(event: EventOf<"step">, seconds: number): void {
    const { step, epoch, loss, learningRate, gradNorm, emaDecay, images } = event;
    this.#step = step;
    this.seconds += seconds;
    this.#busy += seconds;
    this.#images += images;
    this.losses.push(loss);
    const rates = { learningRate, gradNorm, emaDecay, imagesPerSecond: images / seconds };
    this.#folder.logStep({ step, epoch, loss, ...rates, seconds: this.seconds });
    const rate = `${this.imagesPerSecond.toFixed(1)} images/s`;
    this.#progress.update(
      step,
      this.plannedSteps,
      `epoch ${epoch}/${this.#plan?.epochs}  loss ${loss.toFixed(4)}  ${rate}`,
    );
  }

  #wantsPreview(epoch: number): boolean {
    return epoch % this.#settings.saveImagesEpochs === 0 || epoch === this.#plan?.epochs;
  }

  /** Always from the same seed, so that the grids show one picture becoming clear. Given up on Ctrl-C. */
  async #preview({ step, epoch }: EventOf<"epoch">): Promise<void> {
    const { evalBatchSize, ddpmNumSteps, seed } = this.#settings;
    const { scheduler } = this.#pipeline;
    const average = this.#settings.useEma ? await this.#trainer?.emaModel() : undefined;
    const unet = average ?? this.#pipeline.unet;
    const classLabels = classesInTurn(unet, evalBatchSize);
    const numInferenceSteps = Math.min(PREVIEW_STEPS, ddpmNumSteps);
    const options = { batchSize: evalBatchSize, classLabels, numInferenceSteps, seed };
    const pipeline = new DDIMPipeline({ unet, scheduler });
    const images = await this.#interrupt.untilRequested((signal) => pipeline.generate({ ...options, signal }));
    average?.dispose();
    if (!images) return;
    const grid = imageGrid(images.images);
    this.previews.push({ step, epoch, png: grid.toPNG() });
    await this.#folder.saveProgress(step, grid);
  }
}
