import type { TrainerHandle } from "../core.js";
import { Dataset } from "../data/dataset.js";
import { call, enqueue } from "../engine.js";
import { invalidArgument } from "../errors.js";
import type { TrainerOptions as TrainerSettings } from "../generated/TrainerOptions.js";
import type { TrainingEvent as CoreEvent } from "../generated/TrainingEvent.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkBag, checkInstance, checkInteger, checkKinds, checkOptions, toJson } from "../options.js";
import { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import type { FolderLock } from "../platform/files.js";
import { type RandomOptions, resolveGenerator } from "../random/generator.js";
import { Resource } from "../resource.js";
import { Scheduler } from "../schedulers/scheduler.js";
import { RunOutput } from "./run-output.js";

/** What a run reports, in the order in which it happens. */
export type TrainingEvent =
  | CoreEvent
  /** After a checkpoint was written whole; `path` is its folder. */
  | { type: "checkpoint"; step: number; path: string }
  /** Before `start`: the folder that the run goes on from. */
  | { type: "resumed"; path: string };

/** What a run leaves on disk, and what it goes on from. */
export interface OutputOptions {
  /**
   * A folder that gets a loadable pipeline at the end of the run, and when the run is stopped; with `useEma`, of the
   * averaged weights.
   */
  outputDir?: string;
  /** Epochs between saves of the pipeline. Default: only the end counts. */
  saveModelEpochs?: number;
  /**
   * Optimizer steps between the folders `checkpoint-<step>` in `outputDir`, from which a run that was stopped or killed
   * goes on as if nothing had happened. When the run is stopped, another one is written. Default: none are.
   */
  checkpointingSteps?: number;
  /** How many checkpoints are kept; the oldest go once the new one is whole. Default: all. */
  checkpointsTotalLimit?: number;
  /**
   * `"latest"`: goes on from the newest whole checkpoint in `outputDir`, or starts where there is none. Or the name of
   * one there, or the path of one elsewhere.
   */
  resumeFromCheckpoint?: string;
}

/** What to train on what; the settings are named as in diffusers' `train_unconditional.py`. */
export interface TrainerOptions extends Partial<TrainerSettings>, OutputOptions, RandomOptions {
  /** Trained in place. */
  model: UNet2DModel;
  /** Says how noise is added, and with `predictionType` what the model is to predict. */
  scheduler: Scheduler;
  dataset: Dataset;
}

/**
 * The training loop of the course, inside the core: noise a batch, predict, AdamW. The same losses as the loop by
 * hand with the same generator.
 *
 * @example
 * const trainer = new Trainer({ model: unet, scheduler, dataset, epochs: 30, batchSize: 64, learningRate: 4e-4 });
 * for await (const event of trainer.run()) if (event.type === "step") console.log(event.step, event.loss);
 */
export class Trainer extends Resource<TrainerHandle> {
  readonly #model: UNet2DModel;
  readonly #scheduler: Scheduler;
  readonly #output: RunOutput | undefined;
  readonly #useEma: boolean;

  /** @param lock @internal The caller's own lock on `outputDir`. */
  constructor(options: TrainerOptions, lock?: FolderLock) {
    checkBag("options", options);
    const { model, scheduler, dataset, seed, generator, ...rest } = options;
    const { outputDir, saveModelEpochs, checkpointingSteps, checkpointsTotalLimit, resumeFromCheckpoint, ...settings } =
      rest;
    checkInstance("model", model, "a UNet2DModel", UNet2DModel);
    checkInstance("scheduler", scheduler, "a scheduler", Scheduler);
    checkInstance("dataset", dataset, "a Dataset", Dataset);
    checkKinds({ outputDir, resumeFromCheckpoint });
    checkOutput(rest);
    const source = resolveGenerator({ seed, generator });
    const json = toJson(settings);
    const handles = [model.handle, scheduler.handle, dataset.handle, source.handle] as const;
    super(
      call((core) => new core.Trainer(...handles, json)),
      [model, dataset],
    );
    this.#model = model;
    this.#scheduler = scheduler;
    this.#useEma = settings.useEma ?? false;
    if (outputDir !== undefined) {
      const output = { outputDir, saveModelEpochs, checkpointingSteps, checkpointsTotalLimit, resumeFromCheckpoint };
      const pipeline = () => this.#pipeline();
      this.#output = new RunOutput({ ...output, model, trainer: this.handle, useEma: this.#useEma, pipeline, lock });
    }
  }

  /**
   * Trains, and reports each step. Leaving the loop or aborting stops after the step that is under way; the model
   * is then as good as it got, `outputDir` holds it, and another `run` goes on from there.
   *
   * @throws The signal's `reason` on abort; `WriteFailed` or `InUse`, before the first step, where `outputDir` is no
   *   use; `NotFinite` where a loss is NaN or infinite, with the step, its pictures and the last checkpoint.
   */
  async *run(options: { signal?: AbortSignal } = {}): AsyncGenerator<TrainingEvent, void, void> {
    checkOptions("options", options, ["signal"]);
    const { signal } = options;
    signal?.throwIfAborted();
    const output = this.#output;
    await output?.open();
    let save = true;
    try {
      if (output) yield* output.begin();
      for (;;) {
        const event = await this.#next();
        if (event.type === "done") {
          await output?.savePipeline();
          save = false;
          yield event;
          return;
        }
        output?.note(event);
        yield event;
        if (output) yield* output.follow(event);
        signal?.throwIfAborted();
      }
    } catch (error) {
      // What a failed step left behind is not to replace a pipeline that was saved before.
      if (!signal?.aborted) save = false;
      throw output ? output.explain(error) : error;
    } finally {
      await output?.close(save);
    }
  }

  /**
   * A model with the moving average of the weights as it is now, for pictures.
   *
   * @throws `InvalidArgument` without `useEma`.
   */
  async emaModel(): Promise<UNet2DModel> {
    return UNet2DModel.of(await enqueue(() => this.handle.emaModel()));
  }

  async #next(): Promise<CoreEvent> {
    return JSON.parse(await enqueue(() => this.handle.next())) as CoreEvent;
  }

  /** Draws with the average where there is one. */
  async #pipeline(): Promise<DDPMPipeline> {
    const unet = this.#useEma ? await this.emaModel() : this.#model;
    return new DDPMPipeline({ unet, scheduler: this.#scheduler });
  }
}

/** Numbers in range, and a folder where one is needed. */
function checkOutput(options: OutputOptions): void {
  const { outputDir, saveModelEpochs, checkpointingSteps, checkpointsTotalLimit, resumeFromCheckpoint } = options;
  const counts = { saveModelEpochs, checkpointingSteps, checkpointsTotalLimit };
  for (const [name, count] of Object.entries(counts)) if (count !== undefined) checkInteger(name, count, 1);
  if (outputDir !== undefined) return;
  const [needy] = Object.entries({ ...counts, resumeFromCheckpoint }).find(([, value]) => value !== undefined) ?? [];
  if (needy !== undefined) throw invalidArgument("outputDir", `a folder, which ${needy} needs`, outputDir);
}
