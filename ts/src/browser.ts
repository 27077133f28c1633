/** The entry for pages, workers, and wherever there is WebAssembly: the wasm module. */
import * as binding from "#wasm";
import type { Core } from "./core.js";
import { useCore } from "./engine.js";
import { type Files, useFiles } from "./platform/files.js";
import { useHub } from "./platform/hub.js";
import { pageHub } from "./platform/page-hub.js";
import { takeTurns } from "./platform/turns.js";
import { checkWebAssembly, loadingFailed } from "./platform/web-assembly.js";

export * from "./index.js";

/**
 * What the module must export. Its constructors ask for handles of its own classes where `Core` says any handle;
 * as there is no other kind, their parameters are left out of the comparison.
 */
type Binding = {
  [Name in keyof Core]: Core[Name] extends new (
    ...args: never[]
  ) => infer Handle
    ? (new (...args: never[]) => Handle) & Omit<Core[Name], never>
    : Core[Name];
};

export interface InitOptions {
  /** The wasm module: its content, or where it is. Default: `emberwing_bg.wasm` beside the script. */
  wasm?: BufferSource | WebAssembly.Module | URL | string | Response | Promise<Response>;
  /**
   * A file system for paths, such as `directoryFiles(await navigator.storage.getDirectory())`. Default: there are no
   * paths; folders are loaded from `File[]`, and saved as zip files.
   */
  files?: Files;
  /** Another hub than Hugging Face's, or a mirror: what `HF_ENDPOINT` is in Node. */
  hubEndpoint?: URL | string;
}

/**
 * Loads the wasm module. Everything else works after it.
 *
 * @throws `Unsupported` in a browser without WebAssembly SIMD, `NotInitialized` where the module is not found.
 *
 * @example
 * await init();
 * console.log(devices());
 */
export async function init({ wasm, files, hubEndpoint }: InitOptions = {}): Promise<void> {
  checkWebAssembly();
  try {
    await binding.default(wasm === undefined ? undefined : { module_or_path: wasm });
  } catch (error) {
    throw loadingFailed(error);
  }
  const core: unknown = binding satisfies Binding;
  useCore(() => core as Core, takeTurns);
  useFiles(files);
  useHub(pageHub(hubEndpoint?.toString()));
}
