/** Runs vitest, shows what it says, and counts its tests. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./build/paths.mjs";
import { runAndRead } from "./build/process.mjs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @type {Counts} */
export const NONE = { passed: 0, failed: 0, skipped: 0 };

/**
 * A run that fails without a failed test (a file that does not compile) counts as one failure.
 * @param {Counts} counts
 * @param {number} code
 * @returns {Counts}
 */
export const withExitCode = (counts, code) => (code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts);

/**
 * @param {string[]} args which tests; none: all
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Counts>}
 */
export async function vitest(args, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), "emberwing-tests-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const program = join(root, "node_modules/vitest/vitest.mjs");
  const { code } = await runAndRead(process.execPath, [program, "run", ...args, ...reporters], env);
  const counts = existsSync(report) ? countsOf(readFileSync(report, "utf8")) : NONE;
  rmSync(folder, { recursive: true });
  return withExitCode(counts, code);
}

/**
 * @param {string} report vitest's JSON
 * @returns {Counts}
 */
function countsOf(report) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(report);
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
}
