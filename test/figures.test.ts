import { DDIMScheduler, DDPMScheduler, Generator, noiseLevelsFigure, plotLosses, plotNoiseSchedule } from "emberwing";
import { describe, expect, test } from "vitest";

/** The points of a figure's lines of one role, panel after panel. */
function linesOf(svg: string, role: string): [number, number][][] {
  const lines = svg.matchAll(new RegExp(`<polyline class="ew-line ew-${role}" points="([^"]*)"`, "g"));
  return Array.from(lines, ([, points = ""]) =>
    points.split(" ").map((pair) => pair.split(",").map(Number) as [number, number]),
  );
}

const labels = (svg: string): string[] => Array.from(svg.matchAll(/<text[^>]*>([^<]*)</g), ([, text = ""]) => text);

describe("plotLosses", () => {
  const losses = Array.from({ length: 300 }, (_, step) => 1 / (step + 1));

  test("draws loss and log-loss side by side, each with its running mean", () => {
    const svg = plotLosses(losses);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(labels(svg)).toEqual(expect.arrayContaining(["Loss", "Loss, logarithmic axis", "step", "running mean"]));
    expect(linesOf(svg, "faint").map((line) => line.length)).toEqual([300, 300]);
    expect(linesOf(svg, "first").map((line) => line.length)).toEqual([300, 300]);
  });

  test("puts equal ratios at equal distances on the logarithmic axis", () => {
    const [, [first, second, third] = []] = linesOf(plotLosses([1, 0.1, 0.01]), "faint");
    const [y1 = 0, y2 = 0, y3 = 0] = [first?.[1], second?.[1], third?.[1]];
    expect(y2 - y1).toBeGreaterThan(10);
    expect(y3 - y2).toBeCloseTo(y2 - y1, 1);
  });

  test("keeps the peaks of a run with more steps than pixels", () => {
    const long = Float32Array.from({ length: 100_000 }, (_, step) => (step === 50_321 ? 9 : 1));
    const svg = plotLosses(long);
    expect(svg.length).toBeLessThan(200_000);
    const heights = linesOf(svg, "faint")[0]?.map(([, y]) => y) ?? [];
    expect(heights.filter((y) => y === Math.min(...heights))).toHaveLength(1);
  });

  test("leaves out what has no place on an axis", () => {
    const svg = plotLosses([1, Number.NaN, 0.5, Number.POSITIVE_INFINITY, 0.25]);
    expect(linesOf(svg, "faint").map((line) => line.length)).toEqual([3, 3]);
    expect(svg).not.toContain("NaN");
  });

  test("refuses a run without a loss", () => {
    expect(() => plotLosses([])).toThrow("losses: expected at least one finite number, got 0 values without");
    expect(() => plotLosses([-1])).toThrow("losses: expected at least one positive number, got 1 values without");
  });
});

test("plotNoiseSchedule draws √ᾱ and √(1−ᾱ) of every timestep", () => {
  const svg = plotNoiseSchedule(new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" }));
  const [[picture = []], [noise = []]] = [linesOf(svg, "first"), linesOf(svg, "second")];
  expect([picture.length, noise.length]).toEqual([1000, 1000]);
  const [top, bottom] = [picture[0]?.[1] ?? 0, noise[0]?.[1] ?? 0];
  // ᾱ falls to a half at timestep 495 of this schedule: there both factors are √½.
  expect(picture[495]?.[1]).toBeCloseTo(bottom + (top - bottom) * Math.SQRT1_2, 0);
  expect(noise[495]?.[1]).toBeCloseTo(bottom + (top - bottom) * Math.SQRT1_2, 0);
  expect(labels(svg)).toEqual(expect.arrayContaining(["√ᾱ, picture", "√(1−ᾱ), noise", "timestep"]));
});

describe("noiseLevelsFigure", () => {
  const clean = { data: new Float32Array(2 * 3 * 4 * 4).fill(1), shape: [2, 3, 4, 4] };

  test.each([DDPMScheduler, DDIMScheduler])("shows each picture at eight noise levels (%o)", (Scheduler) => {
    const figure = noiseLevelsFigure(new Scheduler(), clean, new Generator(0));
    expect([figure.width, figure.height, figure.channels]).toEqual([8 * 6 + 2, 2 * 6 + 2, 3]);
    const pixel = (x: number, y: number): number => figure.data[3 * (y * figure.width + x)] ?? -1;
    expect(pixel(2, 2)).toBeGreaterThan(240);
    const last = Array.from({ length: 4 }, (_, x) => pixel(8 * 6 - 4 + x, 2));
    expect(new Set(last).size).toBeGreaterThan(1);
  });

  test("follows the generator", () => {
    const draw = (seed: number) => noiseLevelsFigure(new DDPMScheduler(), clean, new Generator(seed)).data;
    expect(draw(1)).toEqual(draw(1));
    expect(draw(2)).not.toEqual(draw(1));
  });
});
