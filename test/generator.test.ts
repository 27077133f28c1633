import { EmberwingError, Generator } from "emberwing";
import { describe, expect, test } from "vitest";
import { expectClose, sum } from "./closeness.js";
import { readJson } from "./fixtures.js";

interface Drawn {
  randn_5: number[];
  randn_15: number[];
  randn_16: number[];
  randn_37: number[];
  randn_1x3x32x32_sum: number;
  randn_1x3x32x32_tail: number[];
  rand_8: number[];
  randint_0_1000_x8: number[];
  randperm_10: number[];
  sequence: [number[], number[], number[], number[], number[]];
}

const drawn = readJson<Record<string, Drawn>>("rng/torch_cpu_generator.json");

describe.each(Object.entries(drawn))("torch.Generator('cpu').manual_seed(%s)", (seed, expected) => {
  const generator = () => new Generator(Number(seed));

  test.each([5, 15, 16, 37] as const)("randn of %i values", (count) => {
    expectClose(generator().randn([count]).data, expected[`randn_${count}`], 1e-6);
  });

  test("randn of an image", () => {
    const { data, shape } = generator().randn([1, 3, 32, 32]);
    expect(shape).toEqual([1, 3, 32, 32]);
    expectClose(data.slice(-8), expected.randn_1x3x32x32_tail, 1e-6);
    expect(sum(data)).toBeCloseTo(expected.randn_1x3x32x32_sum, 3);
  });

  test("rand, randint and randperm are exact", () => {
    expect([...generator().rand([8]).data]).toEqual(expected.rand_8);
    expect([...generator().randint(0, 1000, [8])]).toEqual(expected.randint_0_1000_x8);
    expect([...generator().randperm(10)]).toEqual(expected.randperm_10);
  });

  test("one generator goes on through mixed draws", () => {
    const one = generator();
    const [first, integers, normal, uniform, image] = expected.sequence;
    expectClose(one.randn([3]).data, first, 1e-6);
    expect([...one.randint(0, 1000, [5])]).toEqual(integers);
    expectClose(one.randn([40]).data, normal, 1e-6);
    expect([...one.rand([7]).data]).toEqual(uniform);
    expectClose(one.randn([2, 3, 4, 4]).data, image, 1e-6);
  });
});

test("a state brings the sequence back, also the normal number that was kept", () => {
  const generator = new Generator(7);
  generator.randn([3]); // odd, so that one of a pair is left
  const state = generator.getState();
  const ahead = [generator.randn([5]).data, generator.randperm(9).data];
  const other = new Generator(0);
  other.setState(state);
  expect([other.randn([5]).data, other.randperm(9).data]).toEqual(ahead);
});

test("tells its seed", () => {
  expect(new Generator(42).seed).toBe(42);
});

test.each([
  ["a negative seed", () => new Generator(-1), /seed.*-1/],
  ["a fractional seed", () => new Generator(0.5), /seed.*0\.5/],
  ["an empty range", () => new Generator(0).randint(5, 5, [1]), /high.*5/],
  ["a shape with a zero", () => new Generator(0).randn([2, 0]), /shape.*\[2, 0\]/],
  ["a shape that is a number", () => new Generator(0).randn(3 as never), /shape.*3/],
  ["a foreign state", () => new Generator(0).setState(new Uint8Array(3)), /state/],
])("refuses %s", (_, act, message) => {
  expect(act).toThrow(EmberwingError);
  expect(act).toThrow(message);
});
