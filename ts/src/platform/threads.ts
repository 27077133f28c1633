/** Threads of WebAssembly: workers that share the memory of one module. */
import { EmberwingError, invalidArgument } from "../errors.js";
import { startWorker } from "./start-worker.js";

/**
 * How many threads a module gets here.
 *
 * @param wanted Default: one for each core, where there can be any.
 */
export function threadsHere(wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1)) {
    throw invalidArgument("threads", "a whole number of 1 or more", wanted);
  }
  const obstacle = whyOneThread();
  if (!obstacle) return wanted ?? navigator.hardwareConcurrency;
  if (wanted !== undefined && wanted > 1) throw new EmberwingError("Unsupported", `threads: ${wanted}: ${obstacle}`);
  return 1;
}

function whyOneThread(): string | undefined {
  if (globalThis.crossOriginIsolated !== true) {
    return (
      "only pages that are cross-origin isolated share memory. Serve this one with the headers " +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp"
    );
  }
  // Isolated is what the page asked for; WebKitGTK says so and keeps the memory all the same.
  if (typeof SharedArrayBuffer === "undefined") return "this browser does not share memory, not even here";
  if (!("WorkerGlobalScope" in globalThis)) {
    return "a page itself may not wait for others. Use emberwing/worker, or call init in a worker of your own";
  }
  return undefined;
}

/**
 * Starts as many threads, which take part in everything that the module computes.
 *
 * @param shared The module and its memory.
 */
export async function startThreads(count: number, shared: readonly unknown[]): Promise<void> {
  const workers = Array.from({ length: count }, startThread);
  try {
    await Promise.all(workers.map((worker) => joined(worker, shared)));
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
}

function startThread(): Worker {
  return startWorker(
    () => new Worker(new URL("./thread.mjs", import.meta.url), { type: "module", name: "emberwing-thread" }),
    "./thread.mjs",
    import.meta.url,
  );
}

function joined(worker: Worker, shared: readonly unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = ({ message }) => reject(new Error(message || "the script of a thread cannot be loaded"));
    worker.postMessage(shared);
  });
}
