/** The flags that say where models calculate, and how. */
import { type Command, Option } from "commander";
import { call, devices } from "../engine.js";
import { describe, EmberwingError } from "../errors.js";
import type { DeviceOptions } from "../models/unet-2d-model.js";
import { usageError } from "./failure.js";

export interface DeviceFlags {
  device: string;
  mixedPrecision: keyof typeof FORMATS;
}

/** What diffusers' scripts call them. */
const FORMATS = { no: "float32", fp16: "float16", bf16: "bfloat16" } as const;

export function addDeviceFlags(command: Command): void {
  const precision = new Option(
    "--mixed-precision <type>",
    "activations in half the memory: fp16 on a graphics card, bf16 on the processor",
  );
  command
    .option("--device <name>", "where to calculate: see `emberwing info`", "cpu")
    .addOption(precision.choices(Object.keys(FORMATS)).default("no"));
}

/** What the flags say, as models take it. */
export function deviceOptions({ device, mixedPrecision }: DeviceFlags): Required<DeviceOptions> {
  return { device, dtype: FORMATS[mixedPrecision] };
}

/** Before anything is loaded or written. */
export function checkDevice({ device }: DeviceFlags): void {
  try {
    call((core) => core.deviceName(device));
  } catch (error) {
    if (!(error instanceof EmberwingError)) throw error;
    const known = [...devices(), "auto"].map(describe).join(", ");
    throw usageError(`--device: expected one of ${known}, got ${describe(device)} (${error.message})`);
  }
}
