/**
 * emberwing against TensorFlow.js in a page of Chromium, step by step in turns; and how soon a page draws.
 *
 *     node bench/browser.mjs [--backends wasm,webgpu] [--cases train-4,denoise-4] [--rounds 9] [--quick] [--json FILE]
 *
 * TensorFlow.js is installed into `bench/browser` at the first run.
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build } from "vite";
import { CHROMIUM_FLAGS, chromium as chromiumPath, WEBGPU_FLAGS } from "../scripts/build/chromium.mjs";
import { ISOLATION, serveFolder } from "../scripts/serve-folder.mjs";
import { PAGE_CASES, SOFTWARE_CARD_CASES, START_IN_PAGE } from "./cases.mjs";
import { describeMachine, summarise, table, writeRecord } from "./report.mjs";
import { named, roundsOf, WARM_UP } from "./rounds.mjs";

/**
 * What TensorFlow.js computes with. `isolated` pages may share memory between threads, which its wasm backend then does.
 * Headless Chromium has no graphics card but SwiftShader, which computes on the processor.
 */
const BACKENDS = [
  { name: "wasm", backend: "wasm", isolated: false, flags: [] },
  { name: "wasm-threads", backend: "wasm", isolated: true, flags: [] },
  {
    name: "webgpu",
    backend: "webgpu",
    isolated: false,
    flags: hardware() ? ["--enable-unsafe-webgpu"] : WEBGPU_FLAGS,
  },
];

/** The outputs of both sides may be so far apart, and the gradients by this share: otherwise they are two models. */
const CLOSE = { output: 1e-3, gradient: 1e-3 };

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));
const PEER = fileURLToPath(new URL("browser", import.meta.url));

function hardware() {
  return process.env.EMBERWING_TEST_ADAPTER === "hardware";
}

function options() {
  const { values } = parseArgs({
    options: {
      backends: { type: "string" },
      cases: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  return {
    ...values,
    rounds: roundsOf(values),
    backends: values.backends === undefined ? BACKENDS : named("--backends", values.backends, BACKENDS),
    chosen: values.cases && named("--cases", values.cases, [START_IN_PAGE, ...ALL]),
  };
}

const ALL = [...PAGE_CASES, ...SOFTWARE_CARD_CASES];

/** The cases that were asked for by name, or those that a backend gets through. */
function casesOf({ name }, chosen) {
  if (chosen) return ALL.filter((each) => chosen.includes(each));
  return name === "webgpu" && !hardware() ? SOFTWARE_CARD_CASES : PAGE_CASES;
}

function installPeer() {
  if (existsSync(`${PEER}/node_modules/@tensorflow/tfjs-core`)) return;
  process.stderr.write("installing TensorFlow.js …\n");
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--prefix", PEER], { stdio: "inherit" });
  if (status !== 0) throw new Error(`npm ci in ${PEER} failed`);
}

/** One script for the page: the packages of TensorFlow.js name each other, which browsers do not understand. */
async function bundlePeer() {
  await build({
    root: PEER,
    configFile: false,
    logLevel: "error",
    build: {
      outDir: `${PEER}/node_modules/.bundle`,
      // Its workers are made of the text of one of its functions, which names a variable around it.
      minify: false,
      lib: { entry: `${PEER}/peer.mjs`, formats: ["es"], fileName: () => "peer.mjs" },
    },
  });
}

async function withPage({ flags, isolated }, path, work) {
  const executablePath = chromiumPath();
  if (!executablePath) throw new Error("there is no Chromium here: install one, or name it with CHROMIUM_PATH");
  const server = await serveFolder(CHECKOUT, { headers: isolated ? ISOLATION : {} });
  const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...flags] });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    page.on("pageerror", (error) => process.stderr.write(`the page: ${error.message}\n`));
    await page.goto(server.url + path);
    return await work(page);
  } finally {
    await browser.close();
    server.close();
  }
}

/** Seconds from the request for the script to the end of the first step, in a new browser each time. */
async function measureStart(rounds) {
  const samples = [];
  for (let round = -1; round < rounds; round++) {
    const { error, total } = await withPage(
      { flags: [], isolated: false },
      "bench/browser/start.html",
      async (page) => {
        await page.waitForFunction("globalThis.result");
        return page.evaluate("globalThis.result");
      },
    );
    if (error) throw new Error(error);
    if (round >= 0) samples.push(total);
  }
  return samples;
}

/** @param {import("playwright-core").Page} page */
const ask = (page, action, ...args) =>
  page.evaluate(([action, args]) => globalThis.bench[action](...args), [action, args]);

async function measureBackend({ name, backend, ...setting }, cases, { rounds, quick }) {
  return withPage(setting, "bench/browser/index.html", async (page) => {
    await page.waitForFunction("globalThis.bench");
    const adapter = await ask(page, "adapter");
    const { devices, threads, isolated, tensorflow } = await ask(page, "start", backend);
    const sides = sidesOf(devices, adapter, name, threads, tensorflow);
    const about = describe(name, sides, isolated, adapter, tensorflow);
    process.stderr.write(`${about}\n`);
    const results = [];
    for (const testCase of cases) {
      process.stderr.write(`${testCase.name} …\n`);
      await ask(page, "prepare", testCase);
      const difference = await ask(page, "compare", testCase);
      checkSame(testCase, difference);
      const samples = await inTurns(page, sides, rounds ?? testCase.rounds, quick ? 1 : WARM_UP);
      await ask(page, "dispose");
      results.push({ ...summarise(testCase, sides, samples), difference });
    }
    return { backend: name, about, sides, results };
  });
}

/** Ours first, and of ours what computes as the peer does: the graphics card where both can. */
function sidesOf(devices, adapter, name, threads, peer) {
  const card = devices.find((each) => each.startsWith("gpu"));
  const onProcessor = { id: "emberwing", name: `emberwing, wasm, ${count(threads)}` };
  if (name !== "webgpu") return [onProcessor, { id: "tensorflow", name: `TensorFlow.js wasm, ${count(peer.threads)}` }];
  const ours = card ? { id: "emberwing-gpu", name: `emberwing, ${card}` } : onProcessor;
  return [ours, { id: "tensorflow", name: `TensorFlow.js webgpu, ${adapter}` }];
}

const count = (threads) => (threads > 1 ? `${threads} threads` : "one thread");

function describe(name, sides, isolated, adapter, { version, simd, missing }) {
  const kernels = missing.length > 0 ? `lacks ${missing.join(" and ")}: its gradient is composed` : "has all kernels";
  const parts = [
    `TensorFlow.js ${version}, backend ${name}`,
    simd === undefined ? `adapter ${adapter}` : `SIMD ${simd ? "on" : "off"}`,
    isolated ? "page isolated" : "page not isolated",
    kernels,
    sides.map((side) => side.name).join(" against "),
  ];
  return parts.join("; ");
}

function checkSame({ name }, { parameters, output, gradient }) {
  const [ours, theirs] = parameters;
  if (ours !== theirs) throw new Error(`${name}: ${ours} parameters on our side, ${theirs} on the other`);
  if (!(output <= CLOSE.output)) throw new Error(`${name}: the outputs of the sides differ by ${output}`);
  if (gradient !== undefined && !(gradient <= CLOSE.gradient)) {
    throw new Error(`${name}: the gradients of the sides differ by ${gradient} of their length`);
  }
}

/** One step of every side, then the next round. */
async function inTurns(page, sides, rounds, warmUp) {
  const samples = sides.map(() => []);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, { id }] of sides.entries()) {
      const seconds = await ask(page, "step", id);
      if (round >= 0) samples[index].push(seconds);
    }
  }
  return samples;
}

async function main() {
  const { backends, chosen, rounds, quick, json } = options();
  installPeer();
  await bundlePeer();
  const machine = describeMachine();
  console.log(machine);
  const record = { machine, backends: [] };
  if (!chosen || chosen.includes(START_IN_PAGE)) {
    process.stderr.write(`${START_IN_PAGE.name} …\n`);
    const sides = [{ name: "emberwing" }];
    record.start = summarise(START_IN_PAGE, sides, [await measureStart(rounds ?? START_IN_PAGE.rounds)]);
    console.log(`\n${table([record.start], sides)}`);
  }
  for (const backend of backends) {
    const cases = casesOf(backend, chosen);
    if (cases.length === 0) continue;
    const measured = await measureBackend(backend, cases, { rounds, quick });
    record.backends.push(measured);
    console.log(
      `\n${measured.about}\nMedian (least – most) of each side.\n\n${table(measured.results, measured.sides)}`,
    );
    for (const { name: of, difference } of measured.results) {
      const { parameters, output, gradient } = difference;
      const gradients = gradient === undefined ? "" : `, gradients ${gradient.toExponential(1)} of their length`;
      console.log(
        `${of}: ${parameters[0]} parameters on either side, outputs ${output.toExponential(1)} apart${gradients}`,
      );
    }
  }
  if (json !== undefined) await writeRecord(json, record);
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
