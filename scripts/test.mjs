/** `npm test`: sets everything up, runs the Rust tests, the fuzz targets and the TypeScript tests, and ends with one line that counts all. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { prepareAdapter } from "./build/adapter.mjs";
import { root } from "./build/paths.mjs";
import { explained, runAndRead } from "./build/process.mjs";
import { setUp } from "./build/steps.mjs";
import { fuzz } from "./fuzz.mjs";

/** Inputs that each fuzz target gets: so many that the corpus and its nearest neighbours are tried within seconds. */
const FUZZ_RUNS = 3_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @type {Counts} */
const NONE = { passed: 0, failed: 0, skipped: 0 };

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
const add = (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped });

/**
 * A run that fails without a failed test (a file that does not compile) counts as one failure.
 * @param {Counts} counts
 * @param {number} code
 * @returns {Counts}
 */
const withExitCode = (counts, code) => (code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts);

/** @returns {Promise<Counts>} */
async function rustTests() {
  const { code, output } = await runAndRead("cargo", [
    "test",
    "--package",
    "emberwing-core",
    "--locked",
    "--no-fail-fast",
  ]);
  const lines = stripVTControlCharacters(output).matchAll(
    /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  );
  let counts = NONE;
  for (const [, passed, failed, skipped] of lines) {
    counts = add(counts, { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) });
  }
  return withExitCode(counts, code);
}

/** @returns {Promise<Counts>} */
async function typescriptTests() {
  const folder = mkdtempSync(join(tmpdir(), "emberwing-tests-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { code } = await runAndRead(process.execPath, [vitest, "run", ...reporters]);
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

await explained(async () => {
  await prepareAdapter();
  await setUp();
  const { passed, failed, skipped } = [await rustTests(), await fuzz(FUZZ_RUNS), await typescriptTests()].reduce(add);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
});
