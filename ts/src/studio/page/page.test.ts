/** What the page computes, without a page. */
import { describe, expect, test } from "vitest";
import { thinned } from "../../figures/series.js";
import { shortNames } from "../short-names.js";
import { lookOf } from "./colours.js";
import { Metrics } from "./metrics.js";
import { shortNumber } from "./numbers.js";
import { recordRows } from "./record-rows.js";
import { smoothed } from "./smoothing.js";
import { within } from "./steps.js";

const points = (...values: number[]) => values.map((y, index) => ({ x: index + 1, y }));
const heights = (line: readonly { y: number }[]) => line.map(({ y }) => y);

describe("smoothing", () => {
  test("is TensorBoard's, by hand", () => {
    // m₁ = 0.5 · 4, m₂ = 0.5 · 2 + 0.5 · 8, m₃ = 0.5 · 5 + 0.5 · 1; over 1 − 0.5ⁿ.
    expect(heights(smoothed(points(4, 8, 1), 0.5))).toEqual([2 / 0.5, 5 / 0.75, 3 / 0.875]);
  });

  test("leaves a constant and, with weight 0, everything as it is", () => {
    for (const y of heights(smoothed(points(3, 3, 3, 3), 0.99))) expect(y).toBeCloseTo(3, 12);
    expect(smoothed(points(4, 8, 1), 0)).toEqual(points(4, 8, 1));
  });
});

describe("a log", () => {
  test("becomes a line for each number, without what is missing or not finite", () => {
    const metrics = new Metrics();
    metrics.append('{"step":1,"loss":0.5,"gradNorm":2}\n{"step":2,"loss":null,"gradNorm":3}\n');
    metrics.append('{"step":3,"loss":0.25,"emaDecay":0.9}\n');
    expect(metrics.points.loss).toEqual([
      { x: 1, y: 0.5 },
      { x: 3, y: 0.25 },
    ]);
    expect(metrics.points.gradNorm).toHaveLength(2);
    expect(metrics.points.emaDecay).toEqual([{ x: 3, y: 0.9 }]);
    expect(metrics.unread).toBe(0);
  });

  test("with lines that cannot be read counts them", () => {
    const metrics = new Metrics();
    metrics.append('{"step":1,"loss":1}\nnonsense\n[]\n7\n{"loss":1}\n');
    expect([metrics.points.loss.length, metrics.unread]).toEqual([1, 4]);
    metrics.clear();
    expect([metrics.points.loss.length, metrics.unread]).toEqual([0, 0]);
  });
});

describe("the part that is drawn", () => {
  test("reaches one point beyond each side", () => {
    expect(within(points(1, 2, 3, 4, 5, 6), [3, 4]).map(({ x }) => x)).toEqual([2, 3, 4, 5]);
    expect(within(points(1, 2, 3), [0, 9])).toHaveLength(3);
    expect(within([], [0, 9])).toEqual([]);
  });

  test("of 100,000 points has the lowest and the highest, in order, in a moment", () => {
    const many = Array.from({ length: 100_000 }, (_, x) => ({ x, y: Math.sin(x / 50) }));
    many[31_007] = { x: 31_007, y: 9 };
    many[77_002] = { x: 77_002, y: -9 };
    const start = performance.now();
    const few = thinned(many, 1600);
    expect(performance.now() - start).toBeLessThan(200);
    expect(few.length).toBeLessThanOrEqual(1600);
    expect([Math.max(...heights(few)), Math.min(...heights(few))]).toEqual([9, -9]);
    expect(few.every(({ x }, index) => index === 0 || x > (few[index - 1]?.x ?? 0))).toBe(true);
  });
});

describe("settings beside each other", () => {
  const a = { began: "1", settings: { seed: 0, outputDir: "a", useEma: true }, model: { blockOutChannels: [1, 2] } };
  const b = { began: "2", settings: { seed: 1, outputDir: "b" }, model: { blockOutChannels: [1, 2] } };

  test("differ in values and in what is absent, not in what every run has of its own", () => {
    const rows = recordRows([a, b]);
    expect(rows.filter(({ differs }) => differs)).toEqual([
      { name: "seed", values: ["0", "1"], differs: true },
      { name: "useEma", values: ["true", undefined], differs: true },
    ]);
    expect(rows.map(({ name }) => name)).toEqual(["began", "seed", "outputDir", "useEma", "model.blockOutChannels"]);
  });

  test("do not differ from those of a run without a record", () => {
    expect(recordRows([a, undefined]).some(({ differs }) => differs)).toBe(false);
    expect(recordRows([undefined])).toEqual([]);
  });
});

test("names are as short as tells them apart", () => {
  expect(shortNames(["/w/runs/a", "/w/runs/b"])).toEqual(["a", "b"]);
  expect(shortNames(["/w/x/a", "/w/y/a", "/w/y/b"])).toEqual(["x/a", "y/a", "b"]);
  expect(shortNames(["/a", "/w/a"])).toEqual(["a", "w/a"]);
});

test("the first eighteen runs look different", () => {
  const looks = Array.from({ length: 18 }, (_, index) => JSON.stringify(lookOf(index)));
  expect(new Set(looks).size).toBe(18);
});

test.each([
  [0, "0"],
  [0.0312678, "0.03127"],
  [1.25e-7, "1.25e-7"],
  [128.44, "128.4"],
  [12_345_678, "1.23e+7"],
])("%f is written as %s", (value, text) => {
  expect(shortNumber(value)).toBe(text);
});
