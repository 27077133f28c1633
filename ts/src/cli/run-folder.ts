/** What a training run leaves in its `--output-dir`, beside the pipeline that lies at its root. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../images.js";
import { nodeFiles } from "../platform/node-files.js";

/** One line of `metrics.jsonl`. */
export interface StepMetrics {
  step: number;
  epoch: number;
  loss: number;
  learningRate: number;
  /** Before clipping; only with `--max-grad-norm`. */
  gradNorm?: number | undefined;
  imagesPerSecond: number;
  /** Seconds of training up to the end of this step, without the time that sampling took. */
  seconds: number;
}

export class RunFolder {
  readonly path: string;
  readonly #metrics: number;

  private constructor(path: string, metrics: number) {
    this.path = path;
    this.#metrics = metrics;
  }

  /** Makes the folder; rejects before anything was trained where it cannot be written. */
  static async open(path: string): Promise<RunFolder> {
    await nodeFiles.makeWritable(join(path, "samples"));
    await removeSamples(path);
    await nodeFiles.write(join(path, "metrics.jsonl"), "");
    return new RunFolder(path, openSync(join(path, "metrics.jsonl"), "a"));
  }

  /** Appended at once, so that the run can be watched and a kill loses nothing. */
  logStep(metrics: StepMetrics): void {
    writeSync(this.#metrics, `${JSON.stringify(metrics)}\n`);
  }

  /** The grid of samples after so many steps; the file names sort by time. */
  async saveProgress(step: number, grid: Image): Promise<void> {
    await grid.save(join(this.path, "samples", `step-${String(step).padStart(6, "0")}.png`));
  }

  async saveSamples(grid: Image): Promise<string> {
    const file = join(this.path, "samples.png");
    await grid.save(file);
    return file;
  }

  async saveText(name: "loss.svg" | "report.html", text: string): Promise<string> {
    const file = join(this.path, name);
    await nodeFiles.write(file, text);
    return file;
  }

  [Symbol.dispose](): void {
    closeSync(this.#metrics);
  }
}

/** Those of an earlier run in the same folder: beside a new model they would be taken for its own. */
async function removeSamples(path: string): Promise<void> {
  const names = (await nodeFiles.list(join(path, "samples"), { recursive: false })) ?? [];
  const grids = names.filter((name) => /^step-\d+\.png$/.test(name));
  for (const name of ["../samples.png", ...grids]) await nodeFiles.remove(join(path, "samples", name));
}
