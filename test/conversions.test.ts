/** `fromConfig` between all classes: the files that diffusers writes after its `from_config`, byte for byte. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readJson } from "./fixtures.js";
import { camelCase, schedulerClass } from "./scheduler-classes.js";

interface Conversion {
  source: string;
  options: Record<string, unknown>;
  target: string;
  /** Null where diffusers' target class refuses an option of the source. */
  text: string | null;
}

/** diffusers makes these and fails at the first step, or takes a solver with noise for one without. */
const refusedAtOnce = [
  "DDPMScheduler to UnCLIPScheduler",
  "DPMSolverMultistepScheduler to DPMSolverMultistepInverseScheduler",
];

const all = readJson<Conversion[]>("samplers/conversions.json");
const isRefused = ({ source, target, text }: Conversion): boolean =>
  text === null || refusedAtOnce.includes(`${source} to ${target}`);
const conversions = all.filter((conversion) => !isRefused(conversion));

test.each(conversions)("$source to $target", async ({ source, options, target, text }) => {
  const original = new (schedulerClass(source))(camelCase(options));
  const folder = await mkdtemp(join(tmpdir(), "emberwing-"));
  await schedulerClass(target).fromConfig(original.config).savePretrained(folder);
  expect(await readFile(join(folder, "scheduler_config.json"), "utf8")).toBe(text);
});

test.each(conversions)("$source to $target and back", ({ source, options, target }) => {
  const original = new (schedulerClass(source))(camelCase(options));
  const again = schedulerClass(source).fromConfig(schedulerClass(target).fromConfig(original.config).config);
  expect(again.config).toEqual(original.config);
});

test.each(all.filter(isRefused))("$source to $target is refused", ({ source, options, target }) => {
  const original = new (schedulerClass(source))(camelCase(options));
  expect(() => schedulerClass(target).fromConfig(original.config)).toThrow(
    expect.objectContaining({ name: "EmberwingError", code: "InvalidConfig" }),
  );
});
