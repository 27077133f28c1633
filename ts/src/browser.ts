/** The entry for pages, workers, and wherever there is WebAssembly: the wasm modules. */
import { useCore } from "./engine.js";
import { type Files, useFiles } from "./platform/files.js";
import { useHub } from "./platform/hub.js";
import { pageHub } from "./platform/page-hub.js";
import { takeTurns } from "./platform/turns.js";
import { loadModule, type ModuleOptions } from "./wasm-modules.js";

export * from "./index.js";

export interface InitOptions extends ModuleOptions {
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
export async function init({ files, hubEndpoint, ...options }: InitOptions = {}): Promise<void> {
  const core = await loadModule(options);
  useCore(() => core, takeTurns);
  useFiles(files);
  useHub(pageHub(hubEndpoint?.toString()));
}
