/** The Python of the machine, where it has what a test needs. Set EMBERWING_PYTHON to choose another. */
import { spawnSync } from "node:child_process";
import { expect } from "vitest";

const python = process.env.EMBERWING_PYTHON ?? "python3";

/** Why a test with these modules has to be skipped; empty where it can run. */
export function pythonProblem(...modules: string[]): string {
  const found = spawnSync(python, ["-c", `import ${modules.join(", ")}`], { encoding: "utf8" });
  if (found.status === 0) return "";
  const problem = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
  return `${python} has no ${modules.join(", ")} (${problem}): set EMBERWING_PYTHON to one that has`;
}

/** Runs a script to its end, which must be a good one. */
export function runPython(script: string, ...args: string[]): void {
  const run = spawnSync(python, [script, ...args], { encoding: "utf8" });
  expect(run.status, run.stderr).toBe(0);
}
