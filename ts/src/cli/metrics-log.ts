/** `metrics.jsonl`: one line of JSON a step, appended at once, so that a run can be watched and a kill loses nothing. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { EmberwingError } from "../errors.js";
import { nodeFiles } from "../platform/node-files.js";
import { appendWhole } from "./append-whole.js";

const NAME = "metrics.jsonl";

/** One line. */
export interface StepMetrics {
  step: number;
  epoch: number;
  loss: number;
  learningRate: number;
  /** Before clipping. */
  gradNorm: number;
  /** Only with `--use-ema`. */
  emaDecay?: number | undefined;
  imagesPerSecond: number;
  /** Seconds of training up to the end of this step, without the time that sampling took. */
  seconds: number;
}

export class MetricsLog {
  readonly #path: string;
  readonly #file: number;

  private constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "a");
  }

  /** A log that starts with these lines. */
  static async open(folder: string, lines: readonly StepMetrics[]): Promise<MetricsLog> {
    const path = join(folder, NAME);
    await nodeFiles.write(path, lines.map(formatLine).join(""));
    return new MetricsLog(path);
  }

  /**
   * The lines up to a step, from the first of the folders whose log has them all: a power cut may have shortened the
   * newest. Steps that were skipped have none.
   */
  static async read(folders: readonly string[], step: number): Promise<StepMetrics[]> {
    let best: StepMetrics[] = [];
    for (const folder of folders) {
      const lines = (await readLines(join(folder, NAME))).filter((line) => line.step <= step);
      if (lines.length > best.length) best = lines;
    }
    return best;
  }

  append(metrics: StepMetrics): void {
    appendWhole(this.#path, this.#file, new TextEncoder().encode(formatLine(metrics)));
  }

  /** Puts a copy of the log so far into a folder. */
  async copyTo(folder: string): Promise<void> {
    await nodeFiles.write(join(folder, NAME), await nodeFiles.read(this.#path));
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

const formatLine = (metrics: StepMetrics): string => `${JSON.stringify(metrics)}\n`;

/** The whole lines at the start of the file; a line that was cut off ends them. */
async function readLines(path: string): Promise<StepMetrics[]> {
  const lines: StepMetrics[] = [];
  for (const line of await readText(path)) {
    const metrics = parseLine(line);
    if (!metrics) break;
    lines.push(metrics);
  }
  return lines;
}

/** `undefined` for what is no line of this log. JSON has no NaN: `null` stands for it. */
function parseLine(line: string): StepMetrics | undefined {
  try {
    const metrics = JSON.parse(line) as Partial<Record<string, unknown>> | null;
    const isStep = Number.isSafeInteger(metrics?.step) && NUMBERS.every((key) => isNumber(metrics?.[key]));
    return isStep ? (metrics as unknown as StepMetrics) : undefined;
  } catch {
    return undefined;
  }
}

const NUMBERS = ["epoch", "loss", "learningRate", "gradNorm", "imagesPerSecond", "seconds"] as const;

/** Logs of other versions may lack some. */
const isNumber = (value: unknown): boolean => value === null || value === undefined || typeof value === "number";

async function readText(path: string): Promise<string[]> {
  try {
    const text = new TextDecoder().decode(await nodeFiles.read(path));
    return text.split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof EmberwingError && error.code === "MissingFile") return [];
    throw error;
  }
}
