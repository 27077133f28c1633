/** The flags that say where models calculate, and how. */
import { type Command, Option } from "commander";
import { call, devices } from "../engine.js";
import { describe, EmberwingError } from "../errors.js";
import type { DeviceOptions } from "../models/unet-2d-model.js";
import { usageError } from "./failure.js";

export interface DeviceFlags {
  device: string;
  mixedPrecision: "no" | "fp16";
}

export function addDeviceFlags(command: Command): void {
  const precision = new Option("--mixed-precision <type>", "fp16: activations in half the memory, on a graphics card");
  command
    .option("--device <name>", "where to calculate: see `emberwing info`", "cpu")
    .addOption(precision.choices(["no", "fp16"]).default("no"));
}

/** What the flags say, as models take it. */
export function deviceOptions({ device, mixedPrecision }: DeviceFlags): Required<DeviceOptions> {
  return { device, dtype: mixedPrecision === "fp16" ? "float16" : "float32" };
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
