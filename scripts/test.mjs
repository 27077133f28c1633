/** `npm test`: sets everything up, runs the Rust tests, the fuzz targets and the TypeScript tests, and ends with one line that counts all. */

import { stripVTControlCharacters } from "node:util";
import { prepareAdapter } from "./build/adapter.mjs";
import { explained, runAndRead } from "./build/process.mjs";
import { setUp } from "./build/steps.mjs";
import { fuzz } from "./fuzz.mjs";
import { NONE, vitest, withExitCode } from "./vitest.mjs";

/** Inputs that each fuzz target gets: so many that the corpus and its nearest neighbours are tried within seconds. */
const FUZZ_RUNS = 3_000;

/** @typedef {import("./vitest.mjs").Counts} Counts */

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
const add = (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped });

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

await explained(async () => {
  await prepareAdapter();
  await setUp();
  const { passed, failed, skipped } = [await rustTests(), await fuzz(FUZZ_RUNS), await vitest([])].reduce(add);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
});
