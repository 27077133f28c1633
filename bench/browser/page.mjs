/** The page of the bench: holds both sides and does what `bench/browser.mjs` asks, one step at a time. */
import * as api from "../../dist/browser.mjs";
import { missingKernels, operations } from "./operations.mjs";
import { Ours } from "./ours.mjs";
import { oursInWorker } from "./ours-in-worker.mjs";
import { TensorFlow } from "./tensorflow.mjs";

/** By what the page is asked for. */
const sides = {};

/** @param backend `"wasm"` or `"webgpu"`. */
async function startTensorFlow(backend) {
  const { tf, wasm } = await import("./node_modules/.bundle/peer.mjs");
  wasm.setWasmPaths(new URL("node_modules/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url).href);
  // It takes a thread for every two cores, whatever it is asked for: here it is to have one for each.
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * navigator.hardwareConcurrency });
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js: its backend ${backend} does not start here`);
  await tf.ready();
  sides.tensorflow = new TensorFlow(tf, operations(tf));
  return {
    version: tf.version_core,
    simd: backend === "wasm" ? await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT") : undefined,
    threads: backend === "wasm" ? wasm.getThreadsCount() : undefined,
    missing: missingKernels(tf),
  };
}

/** The graphics card as the browser calls it. */
async function adapter() {
  const found = await navigator.gpu?.requestAdapter();
  if (!found) return undefined;
  const { vendor, architecture, description } = found.info;
  return [vendor, architecture, description].filter((text) => text).join(" ") || "an adapter without a name";
}

globalThis.bench = {
  adapter,

  async start(backend) {
    // Beside the peer on WebGPU a program in place of a card counts too: both sides have the same one.
    await api.init({ gpu: backend === "webgpu" });
    const devices = api.devices();
    // Threads are had in a worker of an isolated page alone.
    sides.emberwing = crossOriginIsolated ? await oursInWorker() : new Ours(api, "cpu");
    const card = devices.find((name) => name.startsWith("gpu"));
    if (card) sides["emberwing-gpu"] = new Ours(api, "gpu");
    const threads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    return { devices, isolated: crossOriginIsolated, threads, tensorflow: await startTensorFlow(backend) };
  },

  /** Ours on the processor comes first: it has the weights that TensorFlow.js gets. */
  async prepare(testCase) {
    for (const side of Object.values(sides)) {
      const weights = side === sides.tensorflow ? await sides.emberwing.parameters() : undefined;
      await side.prepare(testCase, weights);
    }
  },

  step: (side) => sides[side].step(),

  async dispose() {
    for (const side of Object.values(sides)) await side.dispose();
  },

  /** How far the sides are apart, with the weights that both were prepared with: in what they say, and how they learn. */
  async compare({ task, model, batch }) {
    const generator = new api.Generator(7);
    const sample = generator.randn([batch, 3, model.sampleSize, model.sampleSize]);
    const timesteps = Array.from({ length: batch }, (_, index) => (index * 331 + 5) % 1000);
    const { emberwing, tensorflow } = sides;
    const [ours, theirs] = [await emberwing.forward(sample, timesteps), await tensorflow.forward(sample, timesteps)];
    return {
      parameters: [await emberwing.countParameters(), tensorflow.countParameters()],
      output: largestDifference(ours, theirs),
      ...(task === "train" && { gradient: await compareGradients(sample, timesteps, generator.randn(sample.shape)) }),
    };
  },
};

async function compareGradients(sample, timesteps, target) {
  const ours = await sides.emberwing.gradients(sample, timesteps, target);
  return relativeDifference(ours, await sides.tensorflow.gradients(sample, timesteps, target));
}

function largestDifference(a, b) {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index])), 0);
}

/** The length of the difference of all gradients together, beside that of ours. */
function relativeDifference(ours, theirs) {
  let [difference, length] = [0, 0];
  for (const [name, data] of Object.entries(ours)) {
    for (let i = 0; i < data.length; i++) {
      difference += (data[i] - theirs[name][i]) ** 2;
      length += data[i] ** 2;
    }
  }
  return Math.sqrt(difference / length);
}
