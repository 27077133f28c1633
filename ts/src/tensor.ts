/** Tensors are plain values: numbers in row-major order and a shape. Images and noise are NCHW. */
import { describe, EmberwingError, invalidArgument } from "./errors.js";

/** Float32 numbers in row-major order. `data.length` is the product of `shape`. */
export interface Tensor {
  data: Float32Array;
  shape: number[];
}

/**
 * Whole numbers in row-major order: timesteps, labels, permutations. Iterating gives its values.
 *
 * @example
 * const timesteps = new Generator(0).randint(0, 1000, [3]);
 * for (const t of timesteps) console.log(t); // 44, 239, 933
 */
export class IntTensor implements Iterable<number> {
  readonly data: Int32Array;
  readonly shape: number[];

  constructor(data: Int32Array, shape: number[]) {
    if (!(data instanceof Int32Array)) throw invalidArgument("data", "an Int32Array", data);
    checkShape("shape", shape);
    checkCount("data", data.length, shape);
    this.data = data;
    this.shape = shape;
  }

  [Symbol.iterator](): ArrayIterator<number> {
    return this.data[Symbol.iterator]();
  }
}

/** One number for a whole batch, or one for each sample of it. */
export type PerSample = number | readonly number[] | IntTensor | Tensor;

/** The number of values in a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** Refuses shapes with anything but whole numbers of at least 1. */
export function checkShape(argument: string, shape: readonly number[]): void {
  const valid = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!valid) throw invalidArgument(argument, "an array of positive integers", shape);
}

/** Refuses everything that is not a `Tensor` whose data fills its shape. */
export function checkTensor(argument: string, tensor: Tensor): void {
  const { data, shape } = (tensor ?? {}) as Partial<Tensor>;
  if (!(data instanceof Float32Array) || !Array.isArray(shape)) {
    throw invalidArgument(argument, "a tensor { data: Float32Array, shape: number[] }", tensor);
  }
  checkShape(`${argument}.shape`, shape);
  checkAttached(argument, data);
  checkCount(argument, data.length, shape);
}

/** Refuses numbers that are no longer there: a buffer that was sent to another thread is empty here. */
export function checkAttached(argument: string, data: ArrayBufferView): void {
  if (!isDetached(data)) return;
  throw new EmberwingError(
    "InvalidArgument",
    `${argument}: expected values, got a buffer that was transferred (detached): pass a copy, or send one there`,
  );
}

export function isDetached({ buffer }: ArrayBufferView): boolean {
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

/** Bytes as they are now. */
export function takeBytes(argument: string, content: Uint8Array): Uint8Array {
  checkBytes(argument, content);
  return new Uint8Array(content);
}

export function checkBytes(argument: string, content: Uint8Array): void {
  if (!(content instanceof Uint8Array)) throw invalidArgument(argument, "a Uint8Array", content);
  checkAttached(argument, content);
}

/** The values as they are now: the core reads them once the calls before this one have settled. */
export function takeValues({ data }: Tensor): Float32Array {
  return new Float32Array(data);
}

/** Refuses a tensor that is not shaped like another. */
export function checkSameShape(argument: string, tensor: Tensor, other: string, expected: readonly number[]): void {
  checkTensor(argument, tensor);
  if (tensor.shape.join() === expected.join()) return;
  throw new EmberwingError(
    "ShapeMismatch",
    `${argument}: expected the shape ${describe(expected)} of ${other}, got ${describe(tensor.shape)}`,
  );
}

/** The numbers in a `PerSample`; how many there must be, and that they are finite, is the core's to check. */
export function perSampleValues(
  argument: string,
  value: PerSample | Float32Array,
): readonly number[] | Int32Array | Float32Array {
  if (typeof value === "number") return [value];
  const isList = Array.isArray(value) || ArrayBuffer.isView(value);
  const values = isList ? value : (value as Tensor | undefined)?.data;
  if (Array.isArray(values)) {
    const wrong = values.findIndex((item) => typeof item !== "number");
    if (wrong >= 0) throw invalidArgument(`${argument}[${wrong}]`, "a number", values[wrong]);
    return values;
  }
  if (values instanceof Int32Array || values instanceof Float32Array) {
    checkAttached(argument, values);
    return values;
  }
  throw invalidArgument(argument, "a number, an array of numbers or a tensor", value);
}

/** A shape as it crosses into the core. */
export function shapeOf(tensor: { shape: readonly number[] }): Uint32Array {
  return Uint32Array.from(tensor.shape);
}

function checkCount(argument: string, length: number, shape: readonly number[]): void {
  const expected = elementCount(shape);
  if (length === expected) return;
  throw new EmberwingError(
    "ShapeMismatch",
    `${argument}: expected ${expected} values for the shape ${describe(shape)}, got ${length}`,
  );
}
