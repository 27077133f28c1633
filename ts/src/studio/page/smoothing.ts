/** TensorBoard's smoothing. */
import type { Point } from "../../figures/series.js";

/**
 * Exponential moving average m ← weight · m + (1 − weight) · y from m = 0, divided by 1 − weightⁿ, which takes away the
 * pull of the zero at the start (Kingma and Ba 2015, algorithm 1, as for Adam's moments).
 *
 * @param weight 0 (nothing changes) to below 1.
 */
export function smoothed(points: readonly Point[], weight: number): Point[] {
  let mean = 0;
  let remaining = 1;
  return points.map(({ x, y }) => {
    mean = weight * mean + (1 - weight) * y;
    remaining *= weight;
    return { x, y: mean / (1 - remaining) };
  });
}
