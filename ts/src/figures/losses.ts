/** The loss of a training run, as the course plots it: plain and on a logarithmic axis, side by side. */

import { EmberwingError } from "../errors.js";
import { drawPanels, type Panel } from "./panel.js";
import { linearScale, logScale } from "./scales.js";
import { type Point, runningMean } from "./series.js";

/** A window of about a twelfth of the run shows the trend and still follows the first, steep epochs. */
const WINDOWS_PER_RUN = 12;

/** Loss and log-loss, one value a step, with a smoothed line over each: an SVG document. */
export function plotLosses(losses: ArrayLike<number>): string {
  return drawPanels("Training loss by step, plain and logarithmic", [plainPanel(losses), logPanel(losses)]);
}

/** Loss and log-loss as two documents, for pages that stack them on a narrow screen. */
export function plotLossesApart(losses: ArrayLike<number>): [plain: string, logarithmic: string] {
  return [
    drawPanels("Training loss by step", [plainPanel(losses)]),
    drawPanels("Training loss by step, logarithmic", [logPanel(losses)]),
  ];
}

function plainPanel(losses: ArrayLike<number>): Panel {
  const points = pointsAbove(losses, -Infinity);
  const { low, high } = heightsOf(points);
  return { ...lossPanel(points), title: "Loss", y: linearScale(Math.min(0, low), high) };
}

function logPanel(losses: ArrayLike<number>): Panel {
  const points = pointsAbove(losses, 0);
  const { low, high } = heightsOf(points);
  return { ...lossPanel(points), title: "Loss, logarithmic axis", y: logScale(low, high) };
}

/** What both panels share. Steps count from one, as the trainer's events do. */
function lossPanel(points: readonly Point[]): Omit<Panel, "title" | "y"> {
  const means = runningMean(
    points.map((point) => point.y),
    Math.floor(points.length / (2 * WINDOWS_PER_RUN)),
  );
  return {
    xLabel: "step",
    yLabel: "mean squared error",
    x: linearScale(0, points.at(-1)?.x ?? 1),
    lines: [
      { label: "each step", role: "faint", points },
      { label: "running mean", role: "first", points: points.map(({ x }, index) => ({ x, y: means[index] ?? 0 })) },
    ],
  };
}

/** Steps whose loss is finite and above `floor`: others have no place on the axis. */
function pointsAbove(losses: ArrayLike<number>, floor: number): Point[] {
  const points = Array.from(losses, (y, index) => ({ x: index + 1, y })).filter(
    ({ y }) => Number.isFinite(y) && y > floor,
  );
  if (points.length > 0) return points;
  const bound = floor === 0 ? "positive" : "finite";
  throw new EmberwingError(
    "InvalidArgument",
    `losses: expected at least one ${bound} number, got ${losses.length} values without`,
  );
}

/** Without spread into `Math.min`, which fails on long runs. */
function heightsOf(points: readonly Point[]): { low: number; high: number } {
  let low = Infinity;
  let high = -Infinity;
  for (const { y } of points) {
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  return { low, high };
}
