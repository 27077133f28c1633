import type { Tensor } from "emberwing";
import { expect } from "vitest";

/** The largest absolute difference; NaN where there is one in either list. */
export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (Number.isNaN(difference)) return Number.NaN;
    largest = Math.max(largest, difference);
  }
  return largest;
}

/** Every number within `tolerance`, absolutely. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "",
): void {
  expect(maxDifference(actual, expected), what).toBeLessThanOrEqual(tolerance);
}

/** The same shape, and every number within `tolerance`. */
export function expectTensorClose(actual: Tensor, expected: Tensor, tolerance: number, what = ""): void {
  expect([...actual.shape], what).toEqual([...expected.shape]);
  expectClose(actual.data, expected.data, tolerance, what);
}

/** What rounding in float32 may come to: more where the numbers are large. */
export function scaledTolerance(tolerance: number, { data }: Tensor): number {
  return tolerance * data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export function sumOfMagnitudes(values: Float32Array): number {
  return sum(Array.from(values, Math.abs));
}
