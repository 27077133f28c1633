/**
 * `npm run fuzz`: inputs that libFuzzer makes from those in test/fuzz/corpus, for every reader of foreign bytes in the
 * core. `--runs 1000000` says how many, `--target weights` for which. An input that fails is kept in test/fuzz/failures,
 * and named; once mended, it belongs into the corpus.
 */

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cargoTarget, root } from "./build/paths.mjs";
import { explained, read, run } from "./build/process.mjs";

const CORPUS = join(root, "test/fuzz/corpus");
const FAILURES = join(root, "test/fuzz/failures");

/** libFuzzer is C++ and its hooks are made for Linux and macOS. */
export const canFuzz = () => process.platform !== "win32" && read("c++", ["--version"]) !== undefined;

/**
 * Whether a target took all inputs; what libFuzzer said of one that it did not is shown.
 * @param {string} target
 * @param {number} runs
 */
function fuzzTarget(target, runs) {
  const found = mkdtempSync(join(tmpdir(), "emberwing-fuzz-"));
  const log = join(FAILURES, `${target}.log`);
  const output = openSync(log, "w");
  const flags = [
    `-runs=${runs}`,
    "-seed=1",
    "-timeout=20",
    "-rss_limit_mb=4096",
    `-artifact_prefix=${FAILURES}/${target}-`,
  ];
  const { status } = spawnSync(join(cargoTarget, "debug/emberwing-fuzz"), [found, join(CORPUS, target), ...flags], {
    env: { ...process.env, EMBERWING_FUZZ_TARGET: target },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  rmSync(found, { recursive: true });
  if (status === 0) rmSync(log);
  else console.error(readFileSync(log, "utf8").split("\n").slice(-60).join("\n"));
  console.log(`fuzz ${target}: ${status === 0 ? `${runs} inputs, none failed` : `failed, see ${FAILURES}`}`);
  return status === 0;
}

/**
 * @param {number} runs how many inputs a target gets
 * @param {string[]} [targets]
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>} targets
 */
export async function fuzz(runs, targets = readdirSync(CORPUS).sort()) {
  if (!canFuzz()) {
    console.warn("fuzz targets: skipped, they take a C++ compiler (the command c++) on Linux or macOS");
    return { passed: 0, failed: 0, skipped: targets.length };
  }
  await run("cargo", ["build", "--locked", "--package", "emberwing-fuzz"], {
    RUSTC_WORKSPACE_WRAPPER: join(root, "crates/fuzz/rustc-with-coverage"),
  });
  mkdirSync(FAILURES, { recursive: true });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const target of targets) counts[fuzzTarget(target, runs) ? "passed" : "failed"]++;
  return counts;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await explained(async () => {
    const { values } = parseArgs({ options: { runs: { type: "string" }, target: { type: "string", multiple: true } } });
    const { failed } = await fuzz(Number(values.runs ?? 1_000_000), values.target);
    if (failed > 0) process.exitCode = 1;
  });
}
