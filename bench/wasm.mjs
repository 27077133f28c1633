/**
 * The WebAssembly module against the native addon, in Node, each on one thread, step by step in turns.
 *
 *     node bench/wasm.mjs [--rounds 9] [--json FILE]
 */

import { parseArgs } from "node:util";
import { WASM_CASES } from "./cases.mjs";
import { MEASURES } from "./measure.mjs";
import { describeMachine, summarise, table, writeRecord } from "./report.mjs";
import { roundsOf, WARM_UP } from "./rounds.mjs";
import { emberwing, emberwingWasm } from "./sides.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string" }, json: { type: "string" } } });
const sides = [emberwingWasm, emberwing("cpu", { threads: 1, name: "native addon" })];
const machine = `${describeMachine()}; one thread on either side, f32`;
console.log(machine);
const results = [];
for (const testCase of WASM_CASES) {
  process.stderr.write(`${testCase.name} …\n`);
  const rounds = roundsOf(values) ?? testCase.rounds;
  results.push(summarise(testCase, sides, await MEASURES.steps(testCase, sides, rounds, WARM_UP)));
}
console.log(`\nMedian (least – most) of each side.\n\n${table(results, sides)}`);
if (values.json !== undefined) await writeRecord(values.json, { machine, results });
