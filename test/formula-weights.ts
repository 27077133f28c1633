/** Weights and inputs from a formula: the same in every language, without files or random numbers. */
import { type Generator, type Tensor, UNet2DModel, type UNet2DModelConfig } from "emberwing";
import { formatSafetensors } from "./fixtures.js";

/** u(k, i) in [0, 1): Knuth's multiplicative hash of the position. */
export function u(k: number, i: number): number {
  const hash = (BigInt(i + 1) * 2654435761n + BigInt(k + 1) * 2246822519n) & 0xffffffffn;
  return Number(hash) / 2 ** 32;
}

export function filled(k: number, shape: number[], value: (u: number) => number = (x) => 2 * x - 1): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const data = new Float32Array(size);
  // The hash step by step, modulo 2^32: BigInt for each of 18 million weights would take minutes.
  let hash = (Math.imul(k + 1, 2246822519) + 2654435761) >>> 0;
  for (let i = 0; i < size; i++, hash = (hash + 2654435761) >>> 0) data[i] = value(hash / 2 ** 32);
  return { data, shape };
}

function weight(k: number, name: string, shape: number[]): Tensor {
  if (name.endsWith("bias")) return filled(k, shape, (x) => 0.1 * (2 * x - 1));
  if (shape.length === 1) return filled(k, shape, (x) => 1 + 0.2 * (x - 0.5));
  const fanIn = shape.slice(1).reduce((product, length) => product * length, 1);
  return filled(k, shape, (x) => (2 * x - 1) / Math.sqrt(fanIn));
}

/** A model with the formula's weights: keys numbered in ASCII order. */
export async function formulaModel(config: Partial<UNet2DModelConfig>, generator: Generator): Promise<UNet2DModel> {
  using random = await UNet2DModel.create(config, { generator });
  const names = Object.entries(await random.parameters()).sort(([a], [b]) => (a < b ? -1 : 1));
  const weights = names.map(([name, { shape }], k) => [name, weight(k, name, shape)] as const);
  const files = new Map([
    ["config.json", new TextEncoder().encode(pythonConfig(config))],
    ["diffusion_pytorch_model.safetensors", formatSafetensors(Object.fromEntries(weights))],
  ]);
  return UNet2DModel.fromPretrained(files);
}

function pythonConfig(config: Partial<UNet2DModelConfig>): string {
  const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const entries = Object.entries(config).map(([name, value]) => [snakeCase(name), value]);
  return JSON.stringify({ _class_name: "UNet2DModel", ...Object.fromEntries(entries) });
}
