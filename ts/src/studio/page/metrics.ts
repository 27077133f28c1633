/** What the page knows of a run's `metrics.jsonl`: a line of points for each number. */
import type { Point } from "../../figures/series.js";

/** Numbers of a line of the log that are drawn. */
export const METRIC_KEYS = ["loss", "learningRate", "gradNorm", "emaDecay", "imagesPerSecond"] as const;
export type MetricKey = (typeof METRIC_KEYS)[number];

export class Metrics {
  /** A number that is missing or not finite has no point. */
  readonly points: Readonly<Record<MetricKey, Point[]>> = {
    ...{ loss: [], learningRate: [], gradNorm: [], emaDecay: [], imagesPerSecond: [] },
  };
  /** Lines that could not be read. */
  unread = 0;
  /** Counts changes, so that what was drawn of the points can be told from what there is. */
  version = 0;

  /** Whole lines, as they follow in the log. */
  append(lines: string): void {
    for (const line of lines.split("\n")) if (line !== "") this.#add(line);
    this.version++;
  }

  /** Another log begins. */
  clear(): void {
    for (const key of METRIC_KEYS) this.points[key].length = 0;
    this.unread = 0;
    this.version++;
  }

  #add(line: string): void {
    const entry = parse(line);
    const x = entry?.step;
    if (typeof x !== "number" || !Number.isFinite(x)) {
      this.unread++;
      return;
    }
    for (const key of METRIC_KEYS) {
      const y = entry?.[key];
      // JSON has no NaN: `null` stands for it.
      if (typeof y === "number") this.points[key].push({ x, y });
    }
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
