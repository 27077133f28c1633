/** What a training run leaves in its `--output-dir`, beside the pipeline that lies at its root. */
import { join } from "node:path";
import { Image } from "../images.js";
import type { FolderLock } from "../platform/files.js";
import { nodeFiles } from "../platform/node-files.js";
import { MetricsLog, type StepMetrics } from "./metrics-log.js";
import type { RunRecord } from "./run-record.js";
import { TensorBoardLog } from "./tensorboard-log.js";

/** Who else is told of every step and every grid. */
export type Logger = "tensorboard" | "none";

/** The grid of samples after so many steps. */
export interface SampleGrid {
  readonly step: number;
  readonly grid: Image;
}

export class RunFolder {
  readonly path: string;
  readonly lock: FolderLock;
  readonly #logger: Logger;
  #metrics: MetricsLog | undefined;
  #tensorBoard: TensorBoardLog | undefined;

  private constructor(path: string, lock: FolderLock, logger: Logger) {
    this.path = path;
    this.lock = lock;
    this.#logger = logger;
  }

  /** Takes the folder; rejects before anything was trained where it cannot be written or another run is there. */
  static async open(path: string, logger: Logger): Promise<RunFolder> {
    await nodeFiles.makeWritable(path);
    const lock = await nodeFiles.lock(path);
    await removeHalfWritten(path);
    await nodeFiles.makeWritable(join(path, "samples"));
    return new RunFolder(path, lock, logger);
  }

  /**
   * Makes room for a run that has done `step` steps: what an earlier run, or a later part of this one, left is removed.
   *
   * @param checkpoint What the run goes on from.
   * @returns What there is of the steps before.
   */
  async begin(step: number, checkpoint?: string): Promise<{ metrics: StepMetrics[]; grids: SampleGrid[] }> {
    const metrics = await MetricsLog.read([this.path, ...(checkpoint === undefined ? [] : [checkpoint])], step);
    this.#metrics = await MetricsLog.open(this.path, metrics);
    if (this.#logger === "tensorboard") this.#tensorBoard = await TensorBoardLog.open(join(this.path, "logs"), step);
    await nodeFiles.remove(join(this.path, "samples.png"));
    return { metrics, grids: await this.#grids(step) };
  }

  logStep(metrics: StepMetrics): void {
    this.#metrics?.append(metrics);
    const { step, loss, learningRate: lr, gradNorm: grad_norm, emaDecay, imagesPerSecond: images_per_second } = metrics;
    const scalars: Record<string, number> = { loss, lr, grad_norm, images_per_second };
    if (emaDecay !== undefined) scalars.ema_decay = emaDecay;
    this.#tensorBoard?.scalars(step, scalars);
  }

  /** So that a checkpoint has the losses of the steps before it, whatever becomes of the log. */
  async keepMetrics(checkpoint: string): Promise<void> {
    await this.#metrics?.copyTo(checkpoint);
  }

  /** The grid of samples after so many steps; the file names sort by time. */
  async saveProgress(step: number, grid: Image): Promise<void> {
    await grid.save(join(this.path, "samples", `step-${String(step).padStart(6, "0")}.png`));
    this.#tensorBoard?.samples(step, grid);
  }

  async saveSamples(name: "samples.png" | "samples-without-ema.png", grid: Image): Promise<string> {
    const file = join(this.path, name);
    await grid.save(file);
    return file;
  }

  /** What the run is: for the studio, and for whoever wants to know later. */
  async saveRecord(record: RunRecord): Promise<void> {
    await nodeFiles.write(join(this.path, "run.json"), `${JSON.stringify(record, null, 2)}\n`);
  }

  async saveText(name: "loss.svg" | "report.html" | "classes.json", text: string): Promise<string> {
    const file = join(this.path, name);
    await nodeFiles.write(file, text);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#metrics?.[Symbol.dispose]();
    this.#tensorBoard?.[Symbol.dispose]();
    await this.lock.release();
  }

  /** Those up to a step; later ones, which would be taken for this run's, are removed. */
  async #grids(step: number): Promise<SampleGrid[]> {
    const folder = join(this.path, "samples");
    const grids: SampleGrid[] = [];
    for (const name of (await nodeFiles.list(folder, { recursive: false })) ?? []) {
      const at = Number(/^step-(\d+)\.png$/.exec(name)?.[1]);
      if (Number.isNaN(at)) continue;
      if (at <= step) grids.push({ step: at, grid: Image.decode(await nodeFiles.read(join(folder, name)), name) });
      else await nodeFiles.remove(join(folder, name));
    }
    return grids;
  }
}

/** What a killed run was writing under a name of `nodeFiles.write`. */
async function removeHalfWritten(path: string): Promise<void> {
  const names = (await nodeFiles.list(path, { recursive: false })) ?? [];
  for (const name of names) if (/^\.[\da-f-]{36}\.tmp$/.test(name)) await nodeFiles.remove(join(path, name));
}
