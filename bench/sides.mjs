/** Who takes part: emberwing, and PyTorch as it comes and with an allocator that keeps its memory. */

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const PIPELINE = path("../test/fixtures/pipelines/ddpm");

export const threads = Number(process.env.RAYON_NUM_THREADS) || availableParallelism();

/** Large blocks stay with the process: PyTorch then has no page faults after the first step. */
const KEEP_MEMORY = {
  GLIBC_TUNABLES: [
    "glibc.malloc.mmap_threshold=17179869184",
    "glibc.malloc.trim_threshold=17179869184",
    "glibc.malloc.top_pad=268435456",
  ].join(":"),
};

/**
 * One taker of steps: `worker` and `starter` are programs to run, `setting` turns a case into its first request.
 */
const emberwing = {
  name: "emberwing",
  worker: { command: process.execPath, args: [path("ours.mjs")], env: { RAYON_NUM_THREADS: String(threads) } },
  starter: { command: process.execPath, args: [path("start-ours.mjs"), PIPELINE] },
  setting: ({ task, model, batch }) => ({ task, model, batch }),
};

function pytorch(name, python, env) {
  return {
    name,
    worker: { command: python, args: [path("peer.py")], env },
    starter: { command: python, args: [path("start_peer.py"), PIPELINE], env },
    setting: ({ task, model, batch }) => ({ task, model: inPython(model), batch, threads }),
  };
}

/** The same configuration with diffusers' names. */
function inPython(model) {
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(model).map(([name, value]) => [snake(name), value]));
}

/** All sides that are here, ours first, with a sentence about the peer. */
export function sides() {
  const python = process.env.EMBERWING_PYTHON ?? "python3";
  const script = "import torch, diffusers; print(f'PyTorch {torch.__version__}, diffusers {diffusers.__version__}')";
  const found = spawnSync(python, ["-c", script], { encoding: "utf8" });
  if (found.status !== 0) {
    const why = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
    return {
      all: [emberwing],
      about: `PyTorch not measured: ${why}. Set EMBERWING_PYTHON to a Python with diffusers.`,
    };
  }
  const all = [emberwing, pytorch("pytorch", python)];
  if (process.platform === "linux") all.push(pytorch("pytorch, memory kept", python, KEEP_MEMORY));
  return { all, about: found.stdout.trim() };
}
