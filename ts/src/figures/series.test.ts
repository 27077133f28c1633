import { expect, test } from "vitest";
import { runningMean, thinned } from "./series.js";

test("runningMean averages over a window that grows with the values before it", () => {
  expect(runningMean([8, 8, 8, 2, 5, 2, 5, 2, 5], 1)).toEqual([8, 8, 8, 5, 3, 4, 3, 4, 3.5]);
});

test("runningMean of a straight line is that line but for its end", () => {
  const line = Array.from({ length: 50 }, (_, index) => index);
  expect(runningMean(line, 5).slice(0, 45)).toEqual(line.slice(0, 45));
});

test("thinned keeps every bucket's extremes in order", () => {
  const points = Array.from({ length: 1000 }, (_, x) => ({ x, y: x === 333 ? -1 : x === 777 ? 5 : 0 }));
  const few = thinned(points, 100);
  expect(few.length).toBeLessThanOrEqual(100);
  expect(few).toContainEqual({ x: 333, y: -1 });
  expect(few).toContainEqual({ x: 777, y: 5 });
  expect(few.map(({ x }) => x)).toEqual(few.map(({ x }) => x).sort((a, b) => a - b));
});

test("thinned leaves short lines as they are", () => {
  const points = [
    { x: 0, y: 1 },
    { x: 1, y: 2 },
  ];
  expect(thinned(points, 2)).toBe(points);
});
