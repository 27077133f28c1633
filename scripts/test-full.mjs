/**
 * `npm run test:full`: what takes too long for `npm test` and seldom tells anything new, after that suite. Names choose
 * some of the jobs: `npm run test:full -- fuzz`.
 */

import { parseArgs } from "node:util";
import { explained, SetupError } from "./build/process.mjs";
import { setUp } from "./build/steps.mjs";
import { cargoTest } from "./cargo-test.mjs";
import { fuzz } from "./fuzz.mjs";
import { vitest } from "./vitest.mjs";

const FUZZ_RUNS = 1_000_000;

/** @type {Record<string, () => Promise<{ passed: number, failed: number, skipped: number }>>} */
const JOBS = {
  /** Every scheduler on every noise schedule and curve, with every number of steps from 1 to 1000. */
  schedulers: () => cargoTest(["--test", "schedulers", "sweep", "--", "--nocapture"], { EMBERWING_TEST_FULL: "1" }),
  /** Every reader of foreign bytes in the core, a million inputs each. */
  fuzz: () => fuzz(FUZZ_RUNS),
  /** And those in TypeScript. */
  "fuzz-typescript": () => vitest(["--project", "napi", "test/node/fuzz"], { EMBERWING_FUZZ_RUNS: String(FUZZ_RUNS) }),
  /** A row group of more than 2 GiB, in pages of more than 1 GiB. */
  parquet: () => vitest(["--project", "napi", "test/node/large-parquet.test.ts"], { EMBERWING_TEST_FULL: "1" }),
};

await explained(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const names = positionals.length > 0 ? positionals : Object.keys(JOBS);
  const unknown = names.find((name) => !(name in JOBS));
  if (unknown !== undefined) {
    throw new SetupError(`There is no job "${unknown}". The jobs are ${Object.keys(JOBS).join(", ")}.`);
  }
  await setUp(["npm", "native", "ts"]);
  const failed = [];
  for (const name of names) {
    const counts = await JOBS[name]?.();
    console.log(`${name}: ${counts?.passed} passed, ${counts?.failed} failed, ${counts?.skipped} skipped`);
    if (counts?.failed !== 0) failed.push(name);
  }
  if (failed.length > 0) throw new SetupError(`Failed: ${failed.join(", ")}`);
});
