/** The Python of the machine, where it has what a test needs. Set EMBERWING_PYTHON to choose another. */
import { spawn, spawnSync } from "node:child_process";
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

/** The same without blocking this process, for scripts that talk to a server in it. */
export async function runPythonBeside(script: string, ...args: string[]): Promise<void> {
  const child = spawn(python, [script, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const status = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  expect(status, stderr).toBe(0);
}
