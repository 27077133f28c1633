/** The lines of one chart, from what is known of the runs. */
import type { Point } from "../../figures/series.js";
import { thinned } from "../../figures/series.js";
import type { Look } from "./colours.js";
import type { MetricKey } from "./metrics.js";
import { smoothed } from "./smoothing.js";
import { type StepRange, within } from "./steps.js";
import type { WatchedRun } from "./watched-run.js";

/** About as many as a wide screen has columns: more could not be told apart. */
const POINTS_PER_LINE = 1600;

export interface Curve {
  readonly id: string;
  readonly name: string;
  readonly look: Look;
  readonly points: readonly Point[];
  /** What each step said, behind a smoothed line. */
  readonly faint?: readonly Point[];
  /** The newest value that is not smoothed. */
  readonly last: Point | undefined;
}

export interface CurveOptions {
  readonly weight: number;
  readonly range: StepRange;
  /** A logarithmic axis has no place for values that are not positive. */
  readonly log: boolean;
}

export function curveOf(run: WatchedRun, key: MetricKey, { weight, range, log }: CurveOptions): Curve {
  const all = run.metrics.points[key];
  const drawn = (points: readonly Point[]): readonly Point[] => {
    const shown = within(points, range);
    return thinned(log ? shown.filter(({ y }) => y > 0) : shown, POINTS_PER_LINE);
  };
  const { summary, look } = run;
  const rest = { id: summary.id, name: summary.name, look, last: all.at(-1) };
  if (weight === 0) return { ...rest, points: drawn(all) };
  return { ...rest, points: drawn(smoothed(all, weight)), faint: drawn(all) };
}
