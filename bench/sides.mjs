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
export const emberwing = (device, { threads: ours = threads, name = "emberwing", dtype = "float32" } = {}) => ({
  name,
  worker: { command: process.execPath, args: [path("ours.mjs")], env: { RAYON_NUM_THREADS: String(ours) } },
  starter: { command: process.execPath, args: [path("start-ours.mjs"), PIPELINE] },
  setting: ({ task, model, batch }) => ({ task, model, batch, device, dtype }),
});

/** The module that pages load, in Node. */
export const emberwingWasm = {
  name: "WebAssembly",
  worker: { command: process.execPath, args: ["--conditions=browser", path("ours-wasm.mjs")] },
  setting: ({ task, model, batch }) => ({ task, model, batch }),
};

function pytorch(name, device, python, dtype, env) {
  return {
    name,
    worker: { command: python, args: [path("peer.py")], env },
    starter: { command: python, args: [path("start_peer.py"), PIPELINE], env },
    setting: ({ task, model, batch }) => ({ task, model: inPython(model), batch, threads, device, dtype }),
  };
}

/** The same configuration with diffusers' names. */
function inPython(model) {
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(model).map(([name, value]) => [snake(name), value]));
}

const ABOUT = `
import torch, diffusers
print(f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}")
`;
const ABOUT_CUDA = `
import torch, diffusers
name = torch.cuda.get_device_name()
print(f"PyTorch {torch.__version__} with CUDA {torch.version.cuda} on {name}, TF32 off, diffusers {diffusers.__version__}")
`;

/** All sides that are here, ours first, with a sentence about the peer. */
export function sides(device, dtype) {
  const python = process.env.EMBERWING_PYTHON ?? "python3";
  const onCard = device !== "cpu";
  const found = spawnSync(python, ["-c", onCard ? ABOUT_CUDA : ABOUT], { encoding: "utf8" });
  if (found.status !== 0) {
    const why = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
    return {
      all: [emberwing(device, { dtype })],
      about: `PyTorch not measured: ${why}. Set EMBERWING_PYTHON to a Python with diffusers${onCard ? " and CUDA" : ""}.`,
    };
  }
  const all = [emberwing(device, { dtype }), pytorch("pytorch", onCard ? "cuda" : "cpu", python, dtype)];
  const keeps = !onCard && process.platform === "linux";
  if (keeps) all.push(pytorch("pytorch, memory kept", "cpu", python, dtype, KEEP_MEMORY));
  return { all, about: found.stdout.trim() };
}
