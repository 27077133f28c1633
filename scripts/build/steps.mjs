/** The steps from a checkout to a package that runs, in order, each skipped where its result is up to date. */

import { fingerprint, isUpToDate, remember } from "./fingerprint.mjs";
import { gpu, native } from "./native.mjs";
import { packages } from "./packages.mjs";
import { read, SetupError } from "./process.mjs";
import { checkRequirements } from "./requirements.mjs";
import { typescript } from "./typescript.mjs";
import { wasm, wasmGpu, wasmThreads } from "./wasm.mjs";

/**
 * @typedef {object} Step
 * @property {string} name as in `--only`
 * @property {string} title
 * @property {boolean} rust whether it needs the Rust compiler
 * @property {string[]} inputs files and folders that decide the result
 * @property {string[]} outputs
 * @property {() => Promise<void>} build
 */

/** @type {Step[]} */
const STEPS = [packages, native, gpu, wasm, wasmThreads, wasmGpu, typescript];

/**
 * @param {string[]} names
 * @returns {Step[]}
 */
function selected(names) {
  const known = STEPS.map((step) => step.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new SetupError(`There is no step "${unknown}". The steps are ${known.join(", ")}.`);
  return STEPS.filter((step) => names.includes(step.name));
}

/** @param {Step} step */
async function perform(step) {
  const tools = step.rust ? (read("rustc", ["--version", "--verbose"]) ?? "") : process.version;
  const print = fingerprint(step.inputs, tools);
  if (isUpToDate(step.name, print, step.outputs)) {
    console.log(`= ${step.title}: up to date`);
    return;
  }
  console.log(`> ${step.title}${step.rust ? " (the first time takes minutes)" : ""}`);
  const start = performance.now();
  await step.build();
  remember(step.name, print);
  console.log(`+ ${step.title}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/**
 * Runs the named steps, or all.
 * @param {string[]} [names]
 */
export async function setUp(names = STEPS.map((step) => step.name)) {
  const steps = selected(names);
  checkRequirements({ rust: steps.some((step) => step.rust) });
  for (const step of steps) await perform(step);
}
