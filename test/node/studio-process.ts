/** `emberwing studio` in a process of its own, and folders that look like runs. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Outcome, start } from "./command-line.js";

export interface RunningStudio {
  /** The page's address, with the token. */
  url: string;
  /** Ctrl-C. */
  stop(): Promise<Outcome>;
}

export async function startStudio(cwd: string, ...args: string[]): Promise<RunningStudio> {
  const studio = start(["studio", ...args], cwd);
  const url = await studio.prints(/http:\S+(?=\n)/);
  const stop = (): Promise<Outcome> => {
    studio.process.kill("SIGINT");
    return studio.outcome;
  };
  return { url, stop };
}

/** A line of the log; the loss falls. */
export const metricsLine = (step: number): string =>
  `${JSON.stringify({ step, epoch: 1, loss: 1 / step, learningRate: 1e-3, gradNorm: 1, imagesPerSecond: 9, seconds: step })}\n`;

export const metricsLines = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, index) => metricsLine(first + index)).join("");

/** A folder with a log. */
export async function writeRun(folder: string, metrics: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "metrics.jsonl"), metrics);
}
