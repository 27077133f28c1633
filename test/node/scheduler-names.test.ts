/** The names that `emberwing sample --scheduler` takes. */
import { readFile } from "node:fs/promises";
import { DDPMScheduler } from "emberwing";
import { describe, expect, test } from "vitest";
import { schedulerClassNames, schedulerNamed, schedulerShortNames } from "../../ts/src/cli/scheduler-names.js";
import { schedulerClasses } from "../scheduler-classes.js";

const SDE = { algorithmType: "sde-dpmsolver++" };

test.each<[string, string, object]>([
  ["ddpm", "DDPMScheduler", {}],
  ["ddim", "DDIMScheduler", {}],
  ["plms", "PNDMScheduler", { skipPrkSteps: true }],
  ["pndm", "PNDMScheduler", {}],
  ["euler", "EulerDiscreteScheduler", {}],
  ["Euler a", "EulerAncestralDiscreteScheduler", {}],
  ["euler_ancestral", "EulerAncestralDiscreteScheduler", {}],
  ["k_euler", "EulerDiscreteScheduler", {}],
  ["heun", "HeunDiscreteScheduler", {}],
  ["LMS Karras", "LMSDiscreteScheduler", { useKarrasSigmas: true }],
  ["dpm2", "KDPM2DiscreteScheduler", {}],
  ["dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", {}],
  ["DPM2 a Karras", "KDPM2AncestralDiscreteScheduler", { useKarrasSigmas: true }],
  ["dpm++", "DPMSolverMultistepScheduler", {}],
  ["dpm++_2m_karras", "DPMSolverMultistepScheduler", { useKarrasSigmas: true }],
  ["DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", { ...SDE, useKarrasSigmas: true }],
  ["dpmpp_3m_sde", "DPMSolverMultistepScheduler", { ...SDE, solverOrder: 3 }],
  ["dpm++-2m-exponential", "DPMSolverMultistepScheduler", { useExponentialSigmas: true }],
  ["dpmpp_sde", "DPMSolverSDEScheduler", {}],
  ["uni_pc_bh2", "UniPCMultistepScheduler", {}],
  ["unipc_beta", "UniPCMultistepScheduler", { useBetaSigmas: true }],
  ["deis", "DEISMultistepScheduler", {}],
  ["lcm", "LCMScheduler", {}],
  ["tcd", "TCDScheduler", {}],
  ["UniPCMultistepScheduler", "UniPCMultistepScheduler", {}],
  ["heundiscrete", "HeunDiscreteScheduler", {}],
])("%s", (text, className, options) => {
  const named = schedulerNamed(text);
  expect([named.Class.className, named.options]).toEqual([className, options]);
});

test.each([
  "dpm",
  "euler_b",
  "euler_a_karras",
  "ddim_karras",
  "",
  "Scheduler",
  "RePaintScheduler",
  "DDIMInverseScheduler",
  "constructor",
  "__proto__",
])("'%s' is refused with the names that there are", (text) => {
  expect(() => schedulerNamed(text)).toThrow(/Expected one of ddpm, ddim, .* UniPCMultistepScheduler/);
});

test("every name makes a scheduler from that of a trained pipeline", () => {
  const trained = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
  for (const name of [...schedulerShortNames, ...schedulerClassNames]) {
    const { Class, options, numInferenceSteps } = schedulerNamed(name);
    const scheduler = Class.fromConfig(trained.config, options);
    expect(scheduler, name).toBeInstanceOf(Class);
    const { numTrainTimesteps } = scheduler.config as { numTrainTimesteps: number };
    // Consistency models have 40 noise levels unless they say otherwise.
    scheduler.setTimesteps(Math.min(numInferenceSteps, numTrainTimesteps));
  }
});

describe("docs/schedulers.md", async () => {
  const docs = await readFile(new URL("../../docs/schedulers.md", import.meta.url), "utf8");
  const rows = docs.split("\n").filter((line) => line.startsWith("| "));

  test("names every class and every short name", () => {
    const named = new Set(docs.match(/`[^`\n]+`/g)?.map((code) => code.slice(1, -1)));
    for (const name of [...Object.keys(schedulerClasses), ...schedulerShortNames]) expect(named).toContain(name);
  });

  test("has a star where a curve can be asked for, and nowhere else", () => {
    for (const name of schedulerShortNames) {
      const hasCurves = (() => {
        try {
          return Boolean(schedulerNamed(`${name}_karras`));
        } catch {
          return false;
        }
      })();
      expect(rows.find((row) => row.includes(`\`${name}\``))?.includes("\\*"), name).toBe(hasCurves);
    }
  });
});
