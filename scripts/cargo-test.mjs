/** The core's Rust tests, counted. */

import { stripVTControlCharacters } from "node:util";
import { runAndRead } from "./build/process.mjs";
import { NONE, withExitCode } from "./vitest.mjs";

/** @typedef {import("./vitest.mjs").Counts} Counts */

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
export const add = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/**
 * @param {string[]} args further ones of `cargo test`
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Counts>}
 */
export async function cargoTest(args, env = {}) {
  const { code, output } = await runAndRead("cargo", ["test", "--package", "emberwing-core", "--locked", ...args], env);
  const lines = stripVTControlCharacters(output).matchAll(
    /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  );
  let counts = NONE;
  for (const [, passed, failed, skipped] of lines) {
    counts = add(counts, { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) });
  }
  return withExitCode(counts, code);
}
