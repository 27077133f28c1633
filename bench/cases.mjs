/** What is timed, and what it must reach. Sizes are those that people train first: a course, and a script's defaults. */

/** The model of unit 1 of the diffusion course: 18.5 million parameters. */
export const COURSE = {
  sampleSize: 32,
  layersPerBlock: 2,
  blockOutChannels: [64, 128, 128, 256],
  downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
};

/** The model that diffusers' `train_unconditional.py` makes: attention in the fifth of six levels. */
const SCRIPT = {
  sampleSize: 64,
  layersPerBlock: 2,
  blockOutChannels: [128, 128, 256, 256, 512, 512],
  downBlockTypes: ["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
  upBlockTypes: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
};

/**
 * `measure` is one of `MEASURES` (`measure.mjs`); `task` is what the processes do at each step.
 * Goals: `speed` times the peer's, at most `memory` times the peer's, at most `seconds`.
 */
export const CASES = [
  { name: "train-16", title: "train step, batch 16", ...step("train", COURSE, 16, 15), goal: { speed: 1.8 } },
  { name: "train-64", title: "train step, batch 64", ...step("train", COURSE, 64, 9), goal: { speed: 1.8 } },
  { name: "denoise-1", title: "denoising step, batch 1", ...step("denoise", COURSE, 1, 41), goal: { speed: 2 } },
  { name: "denoise-8", title: "denoising step, batch 8", ...step("denoise", COURSE, 8, 21), goal: { speed: 2.2 } },
  { name: "denoise-16", title: "denoising step, batch 16", ...step("denoise", COURSE, 16, 15), goal: { speed: 2.2 } },
  { name: "denoise-64", title: "denoising step, batch 64", ...step("denoise", COURSE, 64, 9), goal: { speed: 2.2 } },
  {
    name: "train-4-large",
    title: "64 × 64, train step, batch 4",
    ...step("train", SCRIPT, 4, 9),
    goal: { speed: 1.5 },
  },
  {
    name: "memory-64",
    title: "peak memory, train step, batch 64",
    ...step("train", COURSE, 64, 3),
    measure: "peakMemory",
    goal: { memory: 0.7 },
  },
  { name: "start", title: "start to first denoising step", measure: "start", rounds: 9, goal: { seconds: 0.5 } },
];

/** On a graphics card: sizes that keep it busy. The peer is PyTorch on CUDA in full float32. */
export const GPU_CASES = [
  { name: "train-64", title: "train step, batch 64", ...step("train", COURSE, 64, 25), goal: { speed: 1 } },
  { name: "train-256", title: "train step, batch 256", ...step("train", COURSE, 256, 15), goal: { speed: 1 } },
  { name: "denoise-1", title: "denoising step, batch 1", ...step("denoise", COURSE, 1, 51), goal: { speed: 1 } },
  { name: "denoise-64", title: "denoising step, batch 64", ...step("denoise", COURSE, 64, 25), goal: { speed: 1 } },
  { name: "denoise-256", title: "denoising step, batch 256", ...step("denoise", COURSE, 256, 15), goal: { speed: 1 } },
  {
    name: "train-16-large",
    title: "64 × 64, train step, batch 16",
    ...step("train", SCRIPT, 16, 15),
    goal: { speed: 1 },
  },
];

/** The WebAssembly module against the native addon, each on one thread. */
export const WASM_CASES = [
  { name: "train-4", title: "train step, batch 4", ...step("train", COURSE, 4, 9), goal: { speed: 0.35 } },
  { name: "denoise-4", title: "denoising step, batch 4", ...step("denoise", COURSE, 4, 15), goal: { speed: 0.35 } },
];

/** A model that a page trains while one watches: 0.6 million parameters. */
const SMALL = {
  sampleSize: 16,
  layersPerBlock: 1,
  blockOutChannels: [32, 64],
  downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
  upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
};

/** In a page; the peer is TensorFlow.js. */
export const PAGE_CASES = [
  { name: "train-small", title: "small model, train step, batch 16", ...step("train", SMALL, 16, 15) },
  { name: "denoise-small", title: "small model, denoising step, batch 16", ...step("denoise", SMALL, 16, 21) },
  { name: "train-4", title: "train step, batch 4", ...step("train", COURSE, 4, 7) },
  { name: "denoise-4", title: "denoising step, batch 4", ...step("denoise", COURSE, 4, 11) },
];

/** What a software card gets through in minutes. */
export const SOFTWARE_CARD_CASES = [
  { name: "train-small-1", title: "small model, train step, batch 1", ...step("train", SMALL, 1, 3) },
  { name: "denoise-small-1", title: "small model, denoising step, batch 1", ...step("denoise", SMALL, 1, 5) },
];

export const START_IN_PAGE = {
  name: "start",
  title: "init() to first denoising step, small pipeline",
  measure: "start",
  rounds: 9,
  goal: { seconds: 1 },
};

function step(task, model, batch, rounds) {
  return { measure: "steps", task, model, batch, rounds };
}
