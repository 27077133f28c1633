/** A run for TensorBoard: `tensorboard --logdir OUTPUT_DIR/logs`. */
import { closeSync, openSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Image } from "../images.js";
import { nodeFiles } from "../platform/node-files.js";
import { type EventContent, encodeEvent } from "../tensorboard/events.js";
import { appendWhole } from "./append-whole.js";

/** The names under which diffusers' script logs. */
const RUN = "train_unconditional";
const SAMPLES = "test_samples";

export class TensorBoardLog {
  readonly #path: string;
  readonly #file: number;

  private constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "a");
  }

  /**
   * A new event file.
   *
   * @param step How many steps were done before: earlier files count up to there; with 0 they are removed.
   */
  static async open(folder: string, step: number): Promise<TensorBoardLog> {
    const directory = join(folder, RUN);
    if (step === 0) await nodeFiles.removeFolder(directory);
    await nodeFiles.makeWritable(directory);
    const name = `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}.${process.pid}.0`;
    const log = new TensorBoardLog(join(directory, name));
    log.#append(0, { fileVersion: "brain.Event:2" });
    if (step > 0) log.#append(step + 1, { sessionStart: true });
    return log;
  }

  scalars(step: number, scalars: Record<string, number>): void {
    this.#append(step, { scalars });
  }

  samples(step: number, grid: Image): void {
    this.#append(step, { images: { [SAMPLES]: grid } });
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #append(step: number, content: EventContent): void {
    appendWhole(this.#path, this.#file, encodeEvent(Date.now() / 1000, step, content));
  }
}
