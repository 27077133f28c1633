/** What a run of the `Trainer` leaves in its output folder while it goes on, and what it goes on from. */
import type { TrainerHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import { EmberwingError } from "../errors.js";
import type { TrainingEvent as CoreEvent } from "../generated/TrainingEvent.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import { type Files, type FolderLock, files } from "../platform/files.js";
import { memoryFolder } from "../pretrained/folder.js";
import { readWeights } from "../pretrained/weights.js";
import { type CheckpointContent, Checkpoints, type FoundCheckpoint } from "./checkpoints.js";
import type { OutputOptions, TrainingEvent } from "./trainer.js";

const STATE = "trainer_state.json";
const OPTIMIZER = "optimizer.safetensors";

type Optional<T> = { [Key in keyof T]: T[Key] | undefined };

interface RunOutputOptions extends Optional<Omit<OutputOptions, "outputDir">> {
  outputDir: string;
  model: UNet2DModel;
  trainer: TrainerHandle;
  useEma: boolean;
  /** What is to be saved. */
  pipeline: () => Promise<DDPMPipeline>;
  /** The caller's own on the folder. */
  lock: FolderLock | undefined;
}

export class RunOutput {
  readonly #options: RunOutputOptions;
  readonly #files: Files;
  readonly #checkpoints: Checkpoints;
  #lock: FolderLock | undefined;
  #begun = false;
  /** Optimizer steps that were done, and those that the last checkpoint holds. */
  #step = 0;
  #savedStep = 0;
  #lastCheckpoint: string | undefined;

  constructor(options: RunOutputOptions) {
    this.#options = options;
    this.#files = files("outputDir");
    this.#checkpoints = new Checkpoints(this.#files, options.outputDir);
  }

  /** Takes the folder; rejects where it is no use. */
  async open(): Promise<void> {
    await this.#files.makeWritable(this.#options.outputDir);
    this.#lock = this.#options.lock ? undefined : await this.#files.lock(this.#options.outputDir);
  }

  /** Loads the checkpoint to go on from, or moves those of another run away. */
  async *begin(): AsyncGenerator<TrainingEvent, void, void> {
    if (this.#begun) return;
    this.#begun = true;
    await this.#checkpoints.clean();
    const damaged: string[] = [];
    const found = await this.#find((problem) => damaged.push(problem));
    for (const problem of damaged) yield { type: "warning", message: `passed over a checkpoint: ${problem}` };
    if (found) {
      await this.#restore(found);
      this.#lastCheckpoint = found.path;
      yield { type: "resumed", path: found.path };
    } else if (this.#options.checkpointingSteps !== undefined) {
      const earlier = await this.#checkpoints.setAside();
      if (earlier) yield { type: "warning", message: `the checkpoints of an earlier run are now in ${earlier}` };
    }
  }

  /** To be told of each event before the user is. */
  note(event: CoreEvent): void {
    if (event.type === "start") this.#savedStep = event.step;
    if (event.type === "step" || event.type === "skipped" || event.type === "start") this.#step = event.step;
  }

  /** Saves what is due after an event. */
  async *follow(event: CoreEvent): AsyncGenerator<TrainingEvent, void, void> {
    const { checkpointingSteps, saveModelEpochs } = this.#options;
    const isStep = event.type === "step" || event.type === "skipped";
    if (isStep && checkpointingSteps !== undefined && event.step % checkpointingSteps === 0) {
      yield { type: "checkpoint", step: event.step, path: await this.#saveCheckpoint() };
    }
    if (event.type === "epoch" && saveModelEpochs !== undefined && event.epoch % saveModelEpochs === 0) {
      await this.savePipeline();
    }
  }

  async savePipeline(): Promise<void> {
    const { model, outputDir } = this.#options;
    const pipeline = await this.#options.pipeline();
    await pipeline.savePretrained(outputDir);
    if (pipeline.unet !== model) pipeline.unet.dispose();
  }

  /** @param save Whether the run was stopped before its end, so that what it reached has to be kept. */
  async close(save: boolean): Promise<void> {
    try {
      if (!save) return;
      await this.savePipeline();
      const { checkpointingSteps } = this.#options;
      if (checkpointingSteps !== undefined && this.#step > this.#savedStep) await this.#saveCheckpoint();
    } finally {
      await this.#lock?.release();
      this.#lock = undefined;
    }
  }

  /** A failure that ends the run, with the checkpoint to go on from. */
  explain(error: unknown): unknown {
    if (!(error instanceof EmberwingError) || !["NotFinite", "WriteFailed"].includes(error.code)) return error;
    const last = this.#lastCheckpoint
      ? `the last whole checkpoint is ${this.#lastCheckpoint}`
      : "no checkpoint was written before";
    return new EmberwingError(error.code, `${error.message}; ${last}`, { cause: error });
  }

  async #find(onDamaged: (problem: string) => void): Promise<FoundCheckpoint | undefined> {
    const { resumeFromCheckpoint } = this.#options;
    if (resumeFromCheckpoint === undefined) return undefined;
    if (resumeFromCheckpoint === "latest") return this.#checkpoints.latest(onDamaged);
    return this.#checkpoints.named(resumeFromCheckpoint);
  }

  async #restore({ path, content }: FoundCheckpoint): Promise<void> {
    const folder = memoryFolder(content, "");
    const hasEma = content.has("unet_ema/config.json");
    const [unet, ema, optimizer] = [
      await readWeights(folder.subfolder("unet")),
      hasEma ? await readWeights(folder.subfolder("unet_ema")) : call((core) => new core.Weights()),
      call((core) => new core.Weights()),
    ];
    const emaConfig = hasEma ? text(path, content, "unet_ema/config.json") : "";
    await enqueue(() => optimizer.add(OPTIMIZER, part(path, content, OPTIMIZER)));
    await enqueue(() => this.#options.trainer.restore(text(path, content, STATE), unet, emaConfig, ema, optimizer));
  }

  async #saveCheckpoint(): Promise<string> {
    const path = await this.#checkpoints.save(this.#step, this.#content(), this.#options.checkpointsTotalLimit);
    this.#savedStep = this.#step;
    this.#lastCheckpoint = path;
    return path;
  }

  async *#content(): AsyncGenerator<readonly [string, Uint8Array | string]> {
    const { model, trainer, useEma } = this.#options;
    yield* modelFiles("unet", model);
    if (useEma) {
      using average = UNet2DModel.of(await enqueue(() => trainer.emaModel()));
      for await (const [name, content] of modelFiles("unet_ema", average)) {
        yield [name, name.endsWith(".json") ? await enqueue(() => trainer.emaConfig()) : content];
      }
    }
    yield [OPTIMIZER, await enqueue(() => trainer.optimizerState())];
    yield [STATE, await enqueue(() => trainer.state())];
  }
}

async function* modelFiles(folder: string, model: UNet2DModel): AsyncGenerator<readonly [string, Uint8Array | string]> {
  for await (const [name, content] of model.files()) yield [`${folder}/${name}`, content];
}

function part(path: string, content: CheckpointContent, name: string): Uint8Array {
  const bytes = content.get(name);
  if (bytes) return bytes;
  throw new EmberwingError("MissingFile", `${path}: expected ${name}, found ${[...content.keys()].join(", ")}`);
}

function text(path: string, content: CheckpointContent, name: string): string {
  return new TextDecoder().decode(part(path, content, name));
}
