import { describe, expect, test } from "vitest";
import { linearScale, logScale, tickLabel } from "./scales.js";

describe("linearScale", () => {
  test.each([
    [0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0, 360, [0, 100, 200, 300]],
    [0, 1.09, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [-1, 2, [-1, -0.5, 0, 0.5, 1, 1.5, 2]],
    [0, 4, [0, 1, 2, 3, 4]],
  ])("puts round ticks between %d and %d", (low, high, ticks) => {
    expect(linearScale(low, high).ticks).toEqual(ticks);
  });

  test("maps its ends to 0 and 1", () => {
    const scale = linearScale(2, 6);
    expect([scale.position(2), scale.position(5), scale.position(6)]).toEqual([0, 0.75, 1]);
  });

  test("spreads equal ends", () => {
    expect(linearScale(3, 3).position(3)).toBe(0);
    expect(linearScale(3, 3).ticks.length).toBeGreaterThan(1);
  });
});

describe("logScale", () => {
  test.each([
    [0.03, 1.1, [0.05, 0.1, 0.2, 0.5, 1]],
    [1e-5, 10, [1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10]],
  ])("puts ticks between %d and %d", (low, high, ticks) => {
    expect(logScale(low, high).ticks).toEqual(ticks);
  });

  test("maps equal ratios to equal distances", () => {
    const scale = logScale(0.01, 1);
    expect(scale.position(0.1)).toBeCloseTo(0.5, 12);
  });
});

test.each([
  [0, "0"],
  [0.05, "0.05"],
  [1500, "1500"],
  [1e-6, "1e-6"],
  [2e6, "2e+6"],
])("tickLabel(%d)", (value, label) => {
  expect(tickLabel(value)).toBe(label);
});
