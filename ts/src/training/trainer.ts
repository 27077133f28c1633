import type { TrainerHandle } from "../core.js";
import { Dataset } from "../data/dataset.js";
import { call, enqueue } from "../engine.js";
import type { TrainerOptions as TrainerSettings } from "../generated/TrainerOptions.js";
import type { TrainingEvent } from "../generated/TrainingEvent.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkInstance, checkOptions } from "../options.js";
import { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import { files } from "../platform/files.js";
import { type RandomOptions, resolveGenerator } from "../random/generator.js";
import { Resource } from "../resource.js";
import { Scheduler } from "../schedulers/scheduler.js";

export type { TrainingEvent };

/** What to train on what; the settings are named as in diffusers' `train_unconditional.py`. */
export interface TrainerOptions extends Partial<TrainerSettings>, RandomOptions {
  /** Trained in place. */
  model: UNet2DModel;
  /** Says how noise is added, and with `predictionType` what the model is to predict. */
  scheduler: Scheduler;
  dataset: Dataset;
  /** A folder that gets a loadable pipeline at the end of the run, and when the run is stopped. */
  outputDir?: string;
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
  readonly #save: (() => Promise<void>) | undefined;
  readonly #outputDir: string | undefined;

  constructor(options: TrainerOptions) {
    const { model, scheduler, dataset, seed, generator, outputDir, ...settings } = options;
    checkInstance("model", model, "a UNet2DModel", UNet2DModel);
    checkInstance("scheduler", scheduler, "a scheduler", Scheduler);
    checkInstance("dataset", dataset, "a Dataset", Dataset);
    const source = resolveGenerator({ seed, generator });
    const json = JSON.stringify(settings);
    super(call((core) => new core.Trainer(model.handle, scheduler.handle, dataset.handle, source.handle, json)));
    this.#outputDir = outputDir;
    if (outputDir !== undefined) {
      this.#save = () => new DDPMPipeline({ unet: model, scheduler }).savePretrained(outputDir);
    }
  }

  /**
   * Trains, and reports each step. Leaving the loop or aborting stops after the step that is under way; the model
   * is then as good as it got, `outputDir` holds it, and another `run` goes on from there.
   *
   * @throws The signal's `reason` on abort; `WriteFailed`, before the first step, where `outputDir` is no use.
   */
  async *run(options: { signal?: AbortSignal } = {}): AsyncGenerator<TrainingEvent, void, void> {
    checkOptions("options", options, ["signal"]);
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#outputDir !== undefined) await files("outputDir").makeWritable(this.#outputDir);
    let unsaved = this.#save;
    try {
      for (;;) {
        const event = await this.#next();
        if (event.type === "done") {
          await unsaved?.();
          unsaved = undefined;
          yield event;
          return;
        }
        yield event;
        signal?.throwIfAborted();
      }
    } catch (error) {
      // What a failed step left behind is not to replace a pipeline that was saved before.
      if (!signal?.aborted) unsaved = undefined;
      throw error;
    } finally {
      await unsaved?.();
    }
  }

  async #next(): Promise<TrainingEvent> {
    return JSON.parse(await enqueue(() => this.handle.next())) as TrainingEvent;
  }
}
