/**
 * emberwing against PyTorch on this machine's processor, step by step in turns.
 *
 *     node bench/run.mjs [--cases train-16,denoise-1] [--rounds 10] [--quick] [--json FILE]
 */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { CASES } from "./cases.mjs";
import { MEASURES } from "./measure.mjs";
import { describeMachine, summarise, table } from "./report.mjs";
import { sides, threads } from "./sides.mjs";

const WARM_UP = 2;
/** Rounds of `--quick`: enough to see that it runs, and roughly where it stands. */
const QUICK_ROUNDS = 3;

function options() {
  const { values } = parseArgs({
    options: {
      cases: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  return { ...values, rounds: roundsOf(values), cases: casesOf(values.cases) };
}

/** The number asked for, or none: each case then has its own. */
function roundsOf({ rounds, quick }) {
  if (rounds === undefined) return quick ? QUICK_ROUNDS : undefined;
  if (!/^[1-9]\d*$/.test(rounds)) throw new Error(`--rounds: expected a positive integer, got ${rounds}`);
  return Number(rounds);
}

function casesOf(names) {
  if (names === undefined) return CASES;
  return names.split(",").map((name) => {
    const found = CASES.find((each) => each.name === name);
    if (!found) throw new Error(`--cases: expected some of ${CASES.map((each) => each.name).join(", ")}, got ${name}`);
    return found;
  });
}

async function main() {
  const { cases, rounds, quick, json } = options();
  const { all, about } = sides();
  const machine = `${describeMachine()}; ${threads} threads on either side, f32`;
  console.log(`${machine}\n${about}`);
  const results = [];
  for (const testCase of cases) {
    process.stderr.write(`${testCase.name} …\n`);
    const samples = await MEASURES[testCase.measure](testCase, all, rounds ?? testCase.rounds, quick ? 1 : WARM_UP);
    results.push(summarise(testCase, all, samples));
  }
  console.log(`\nMedian (least – most) of each side; the ratio is to the faster PyTorch.\n\n${table(results, all)}`);
  if (json === undefined) return;
  await mkdir(dirname(json), { recursive: true });
  await writeFile(
    json,
    `${JSON.stringify({ date: new Date().toISOString(), machine, threads, about, results }, null, 2)}\n`,
  );
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
