/** The command line that makes the same run. */
import { flagName } from "./flag-name.js";
import { PRESETS } from "./presets.js";
import type { TrainSettings } from "./train-options.js";

/** The preset and what differs from it; the seed always, because the result follows from it. */
export function runCommand({ model, resumeFromCheckpoint, logger, preset, ...settings }: TrainSettings): string {
  const ofPreset: Record<string, unknown> = { ...PRESETS[preset] };
  const flags = Object.entries(settings)
    .filter(([key, value]) => value !== undefined && value !== ofPreset[key])
    .map(([key, value]) =>
      typeof value === "boolean" ? switchFlag(key, value) : `${flagName(key)} ${shellQuoted(String(value))}`,
    );
  return ["npx emberwing train", `--preset ${preset}`, ...flags].join(" ");
}

const switchFlag = (key: string, on: boolean): string => (on ? flagName(key) : flagName(key).replace("--", "--no-"));

const shellQuoted = (text: string): string => (/^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
