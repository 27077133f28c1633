/** The entry for pages, workers, and wherever there is WebAssembly: the wasm modules. */
import * as binding from "#wasm";
import type { Core } from "./core.js";
import { useCore } from "./engine.js";
import { type Files, useFiles } from "./platform/files.js";
import { findGraphicsCard } from "./platform/graphics-card.js";
import { useHub } from "./platform/hub.js";
import { pageHub } from "./platform/page-hub.js";
import { takeTurns } from "./platform/turns.js";
import { checkWebAssembly, loadingFailed } from "./platform/web-assembly.js";

export * from "./index.js";

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

export interface InitOptions {
  /** The wasm module for the CPU. Default: `emberwing_bg.wasm` beside the script. */
  wasm?: WasmSource;
  /**
   * Whether to look for a graphics card. Default: a card of hardware is taken, and its module loaded, which has the CPU
   * too. `true` takes a program that stands in for a card as well, for tests; `false` does not look.
   */
  gpu?: boolean;
  /** The wasm module for graphics cards. Default: `emberwing_gpu_bg.wasm` beside the script. */
  gpuWasm?: WasmSource;
  /**
   * A file system for paths, such as `directoryFiles(await navigator.storage.getDirectory())`. Default: there are no
   * paths; folders are loaded from `File[]`, and saved as zip files.
   */
  files?: Files;
  /** Another hub than Hugging Face's, or a mirror: what `HF_ENDPOINT` is in Node. */
  hubEndpoint?: URL | string;
}

/**
 * Loads a wasm module, and opens the graphics card where there is one that computes what the CPU computes; where there is
 * none, `devices()` says why. Everything else works after it.
 *
 * @throws `Unsupported` in a browser without WebAssembly SIMD, `NotInitialized` where the module is not found.
 *
 * @example
 * await init();
 * console.log(devices()); // ["cpu", "gpu:0 (…, WebGPU)"], or ["cpu", "no gpu (the reason)"]
 * const model = await UNet2DModel.create({ sampleSize: 32 }, { device: "auto" });
 */
export async function init({ wasm, gpu, gpuWasm, files, hubEndpoint }: InitOptions = {}): Promise<void> {
  checkWebAssembly();
  const core = await loadCore(wasm, gpu, gpuWasm);
  useCore(() => core, takeTurns);
  useFiles(files);
  useHub(pageHub(hubEndpoint?.toString()));
}

/** The module with a graphics card, or the one for the CPU, which is told why there is no card. */
async function loadCore(wasm: WasmSource | undefined, gpu: boolean | undefined, gpuWasm?: WasmSource): Promise<Core> {
  const absence = gpu === false ? undefined : await openGraphicsCard(gpu === true, gpuWasm);
  if (typeof absence === "object") return absence;
  try {
    await binding.default(initInput(wasm));
  } catch (error) {
    throw loadingFailed(error);
  }
  if (absence) binding.explainAbsence(absence);
  const core: unknown = binding satisfies Binding;
  return core as Core;
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
    const core: unknown = gpuBinding satisfies Binding;
    coreWithCard = core as Core;
    return coreWithCard;
  } catch (error) {
    return `${card.name}: ${(error as Error).message}`;
  }
}

function initInput(wasm: WasmSource | undefined): { module_or_path: WasmSource } | undefined {
  return wasm === undefined ? undefined : { module_or_path: wasm };
}
