/** Goldens that PyTorch and diffusers computed; `fixtures/make.py` says how. */
import type { Tensor } from "emberwing";
import { readFixture } from "./fixture-files.js";

export { fixturePath } from "./fixture-files.js";

export function readJson<T>(path: string): T {
  return JSON.parse(new TextDecoder().decode(readFixture(path))) as T;
}

/** The float32 tensors of a safetensors file. */
export function readTensors(path: string): Record<string, Tensor> {
  return tensorsIn(readFixture(path));
}

/** The float32 tensors in the content of a safetensors file. */
export function tensorsIn(content: Uint8Array): Record<string, Tensor> {
  const entries = entriesIn(content).filter(({ dtype }) => dtype === "F32");
  return Object.fromEntries(entries.map(({ name, shape, bytes }) => [name, { data: new Float32Array(bytes), shape }]));
}

/** A float64 tensor of a safetensors file, such as a scheduler's timesteps; empty where there is none. */
export function readDoubles(path: string, name: string): number[] {
  const entry = entriesIn(readFixture(path)).find((entry) => entry.name === name && entry.dtype === "F64");
  return entry ? Array.from(new Float64Array(entry.bytes)) : [];
}

interface Entry {
  dtype: "F32" | "F64";
  shape: number[];
  data_offsets: [number, number];
}

function entriesIn(
  content: Uint8Array,
): { name: string; dtype: Entry["dtype"]; shape: number[]; bytes: ArrayBuffer }[] {
  const { buffer } = new Uint8Array(content); // a copy that starts at 0, which a Buffer need not
  const headerLength = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__, ...header } = JSON.parse(new TextDecoder().decode(buffer.slice(8, 8 + headerLength)));
  return Object.entries(header as Record<string, Entry>).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [start, end],
      },
    ]) => {
      return { name, dtype, shape, bytes: buffer.slice(8 + headerLength + start, 8 + headerLength + end) };
    },
  );
}

/** A safetensors file of float32 tensors, for weights that a test makes up. */
export function formatSafetensors(tensors: Record<string, Tensor>): Uint8Array {
  let offset = 0;
  const header: Record<string, Entry> = {};
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  Object.values(tensors).forEach(({ data }, index) => {
    const start = Object.values(header)[index]?.data_offsets[0] ?? 0;
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + text.length + start);
  });
  return file;
}

/** One of the tensors of a stack, such as step `index` of a trajectory. */
export function at({ data, shape }: Tensor, index: number): Tensor {
  const [, ...inner] = shape;
  const size = inner.reduce((product, length) => product * length, 1);
  return { data: data.slice(index * size, (index + 1) * size), shape: inner };
}

/** A tensor of the file that must be there. */
export function need(tensors: Record<string, Tensor>, name: string): Tensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`the fixture has no tensor ${name}, only ${Object.keys(tensors).join(", ")}`);
  return tensor;
}
