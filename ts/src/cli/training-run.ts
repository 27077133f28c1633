/** A training run as the command line does it: every step logged, grids of samples in between. */
import { type Image, imageGrid } from "../images.js";
import { DDIMPipeline } from "../pipelines/ddim-pipeline.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { Trainer, TrainingEvent } from "../training/trainer.js";
import type { Interrupt } from "./interrupt.js";
import { PREVIEW_STEPS } from "./presets.js";
import { showProgress } from "./progress.js";
import type { RunFolder } from "./run-folder.js";
import type { TrainSettings } from "./train-options.js";

type EventOf<Type extends TrainingEvent["type"]> = Extract<TrainingEvent, { type: Type }>;

/** The grid of the same noise, denoised by the model of that time. */
export interface Preview {
  readonly step: number;
  readonly epoch: number;
  readonly grid: Image;
}

export class TrainingRun {
  readonly losses: number[] = [];
  readonly previews: Preview[] = [];
  /** Seconds of training, without the time that sampling took. */
  seconds = 0;
  /** Pictures that were trained on, each as often as it came. */
  images = 0;

  readonly #settings: TrainSettings;
  readonly #folder: RunFolder;
  readonly #pipeline: DDPMPipeline;
  readonly #interrupt: Interrupt;
  readonly #progress = showProgress("training");
  #plan: EventOf<"start"> | undefined;

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

  /** Trains to the end, or to the end of the step in which Ctrl-C came. The trainer saves the pipeline. */
  async train(trainer: Trainer): Promise<void> {
    try {
      let asked = performance.now();
      for await (const event of trainer.run()) {
        await this.#handle(event, (performance.now() - asked) / 1000);
        if (this.#interrupt.requested) break;
        asked = performance.now();
      }
    } finally {
      this.#progress.stop();
    }
  }

  async #handle(event: TrainingEvent, seconds: number): Promise<void> {
    if (event.type === "start") {
      this.#plan = event;
    } else if (event.type === "step") {
      this.#recordStep(event, seconds);
    } else if (event.type === "epoch" && this.#wantsPreview(event.epoch)) {
      await this.#preview(event);
    }
  }

  #recordStep({ step, epoch, loss, learningRate, gradNorm, images }: EventOf<"step">, seconds: number): void {
    this.seconds += seconds;
    this.images += images;
    this.losses.push(loss);
    const imagesPerSecond = images / seconds;
    this.#folder.logStep({ step, epoch, loss, learningRate, gradNorm, imagesPerSecond, seconds: this.seconds });
    const rate = `${(this.images / this.seconds).toFixed(1)} images/s`;
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
    const pipeline = new DDIMPipeline(this.#pipeline);
    const numInferenceSteps = Math.min(PREVIEW_STEPS, ddpmNumSteps);
    const images = await this.#interrupt.untilRequested((signal) =>
      pipeline.generate({ batchSize: evalBatchSize, numInferenceSteps, seed, signal }),
    );
    if (!images) return;
    const grid = imageGrid(images.images);
    this.previews.push({ step, epoch, grid });
    await this.#folder.saveProgress(step, grid);
  }
}
