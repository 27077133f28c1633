/** The three WebAssembly modules, which do the same: on one thread, on several, and with a graphics card. */
import * as binding from "#wasm";
import type { Core } from "./core.js";
import { findGraphicsCard } from "./platform/graphics-card.js";
import { startThreads, threadsHere } from "./platform/threads.js";
import { checkWebAssembly, loadingFailed } from "./platform/web-assembly.js";

/**
 * What a module must export. Its constructors ask for handles of its own classes where `Core` says any handle;
 * as there is no other kind, their parameters are left out of the comparison.
 */
type Binding = {
  [Name in keyof Core]: Core[Name] extends new (
    ...args: never[]
  ) => infer Handle
    ? (new (...args: never[]) => Handle) & Omit<Core[Name], never>
    : Core[Name];
};

/** A wasm module: its content, or where it is. */
type WasmSource = BufferSource | WebAssembly.Module | URL | string | Response | Promise<Response>;

/** Which module, and where it is. */
export interface ModuleOptions {
  /** The wasm module for one thread. Default: `emberwing_bg.wasm` beside the script. */
  wasm?: WasmSource;
  /**
   * How many threads compute. Default: all cores in a worker of a page that is cross-origin isolated, otherwise one. More than one
   * is `Unsupported` elsewhere, as browsers do not let others wait.
   */
  threads?: number;
  /** The wasm module for several threads. Default: `emberwing_threads_bg.wasm` beside the script. */
  threadsWasm?: WasmSource;
  /**
   * Whether to look for a graphics card. Default: a card of hardware is taken, and its module loaded, which has the CPU
   * too, on one thread. `true` takes a program that stands in for a card as well, for tests; `false` does not look.
   */
  gpu?: boolean;
  /** The wasm module for graphics cards. Default: `emberwing_gpu_bg.wasm` beside the script. */
  gpuWasm?: WasmSource;
}

/** The module with a graphics card, or one for the CPU, which is told why there is no card. */
export async function loadModule({ gpu, gpuWasm, ...cpu }: ModuleOptions): Promise<Core> {
  checkWebAssembly();
  const threads = threadsHere(cpu.threads);
  const absence = gpu === false ? undefined : await openGraphicsCard(gpu === true, gpuWasm);
  if (typeof absence === "object") return absence;
  const core = threads > 1 ? await loadThreads(threads, cpu) : await loadOneThread(cpu.wasm);
  if (absence) core.explainAbsence(absence);
  return core;
}

type CoreForCpu = Core & Pick<typeof binding, "explainAbsence">;

async function loadOneThread(wasm: WasmSource | undefined): Promise<CoreForCpu> {
  try {
    await binding.default(initInput(wasm));
  } catch (error) {
    throw loadingFailed(error, "emberwing_bg.wasm", "wasm");
  }
  return coreOf(binding);
}

/** The module whose threads have started. */
let coreWithThreads: CoreForCpu | undefined;

/** The module with threads, or the one without where nobody asked for them and they cannot be had. */
async function loadThreads(threads: number, { wasm, threadsWasm, ...asked }: ModuleOptions): Promise<CoreForCpu> {
  if (coreWithThreads) return coreWithThreads;
  try {
    const threadsBinding = await import("#wasm-threads");
    await threadsBinding.default(initInput(threadsWasm));
    await startThreads(threads - 1, threadsBinding.sharedModule());
    coreWithThreads = coreOf(threadsBinding);
    return coreWithThreads;
  } catch (error) {
    const failure = loadingFailed(error, "emberwing_threads_bg.wasm", "threadsWasm");
    if (asked.threads !== undefined) throw failure;
    console.warn(`emberwing computes on one thread: ${failure.message}`);
    return loadOneThread(wasm);
  }
}

function coreOf(module: Binding & Pick<typeof binding, "explainAbsence">): CoreForCpu {
  const core: unknown = module;
  return core as CoreForCpu;
}

/** The module whose card is open. A browser opens it once, and models live in it. */
let coreWithCard: Core | undefined;

/** The module for graphics cards with its card open, or why there is none. */
async function openGraphicsCard(softwareToo: boolean, wasm: WasmSource | undefined): Promise<Core | string> {
  if (coreWithCard) return coreWithCard;
  const card = await findGraphicsCard(softwareToo);
  if (typeof card === "string") return card;
  try {
    const gpuBinding = await import("#wasm-gpu");
    await gpuBinding.default(initInput(wasm));
    await gpuBinding.openGraphicsCard(card.name, card.software);
    coreWithCard = coreOf(gpuBinding);
    return coreWithCard;
  } catch (error) {
    return `${card.name}: ${(error as Error).message}`;
  }
}

function initInput(wasm: WasmSource | undefined): { module_or_path: WasmSource } | undefined {
  return wasm === undefined ? undefined : { module_or_path: wasm };
}
