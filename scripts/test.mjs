/** `npm test`: sets everything up, runs the Rust tests, the fuzz targets and the TypeScript tests, and ends with one line that counts all. */

import { prepareAdapter } from "./build/adapter.mjs";
import { explained } from "./build/process.mjs";
import { setUp } from "./build/steps.mjs";
import { add, cargoTest } from "./cargo-test.mjs";
import { fuzz } from "./fuzz.mjs";
import { vitest } from "./vitest.mjs";

/** Inputs that each fuzz target gets: so many that the corpus and its nearest neighbours are tried within seconds. */
const FUZZ_RUNS = 3_000;

await explained(async () => {
  await prepareAdapter();
  await setUp();
  const { passed, failed, skipped } = [
    await cargoTest(["--no-fail-fast"]),
    await fuzz(FUZZ_RUNS),
    await vitest([]),
  ].reduce(add);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
});
