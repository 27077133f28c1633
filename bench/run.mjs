/**
 * emberwing against PyTorch on this machine's processor, or on a graphics card, step by step in turns.
 *
 *     node bench/run.mjs [--device gpu] [--mixed-precision bf16] [--cases train-16,denoise-1] [--rounds 10] [--quick] [--json FILE]
 */

import { parseArgs } from "node:util";
import { CASES, GPU_CASES } from "./cases.mjs";
import { MEASURES } from "./measure.mjs";
import { describeMachine, summarise, table, writeRecord } from "./report.mjs";
import { named, roundsOf, WARM_UP } from "./rounds.mjs";
import { sides, threads } from "./sides.mjs";

function options() {
  const { values } = parseArgs({
    options: {
      device: { type: "string", default: "cpu" },
      "mixed-precision": { type: "string", default: "no" },
      cases: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const dtype = FORMATS[values["mixed-precision"]];
  if (!dtype) throw new Error(`--mixed-precision: expected one of ${Object.keys(FORMATS).join(", ")}`);
  return { ...values, dtype, rounds: roundsOf(values), cases: casesOf(values) };
}

/** What is kept in half the size: our activations; on the peer's side what `torch.autocast` decides. */
const FORMATS = { no: "float32", fp16: "float16", bf16: "bfloat16" };

function casesOf({ cases: names, device }) {
  const all = device === "cpu" ? CASES : GPU_CASES;
  return names === undefined ? all : named("--cases", names, all);
}

/** The card as emberwing names it. */
async function cardName(device) {
  const { devices } = await import("emberwing");
  return devices().find((each) => each.startsWith(device)) ?? device;
}

async function main() {
  const { device, dtype, cases, rounds, quick, json } = options();
  const { all, about } = sides(device, dtype);
  const where = device === "cpu" ? `${threads} threads on either side` : `on ${await cardName(device)}`;
  const machine = `${describeMachine()}; ${where}, ${dtype}`;
  console.log(`${machine}\n${about}`);
  const results = [];
  for (const testCase of cases) {
    process.stderr.write(`${testCase.name} …\n`);
    const samples = await MEASURES[testCase.measure](testCase, all, rounds ?? testCase.rounds, quick ? 1 : WARM_UP);
    results.push(summarise(testCase, all, samples));
  }
  console.log(`\nMedian (least – most) of each side; the ratio is to the faster PyTorch.\n\n${table(results, all)}`);
  if (json !== undefined) await writeRecord(json, { machine, threads, about, results });
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
