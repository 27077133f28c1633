/** The part of the steps that is shown. */
import type { Point } from "../../figures/series.js";

/** Both included; absent: all. */
export type StepRange = readonly [first: number, last: number];

/** The points in a range, with one more on each side, so that lines run to the edge. Steps must rise. */
export function within(points: readonly Point[], [first, last]: StepRange): readonly Point[] {
  return points.slice(Math.max(0, firstFrom(points, first) - 1), firstFrom(points, last) + 2);
}

/** The index of the first point at or after a step; the length where there is none. */
export function firstFrom(points: readonly Point[], step: number): number {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.x ?? 0) < step) low = middle + 1;
    else high = middle;
  }
  return low;
}
