/** The entry for pages, workers, and wherever there is WebAssembly: the wasm module. */
import * as binding from "#wasm";
import type { Core } from "./core.js";
import { useCore } from "./engine.js";
import { type Files, useFiles } from "./platform/files.js";

export * from "./index.js";

export interface InitOptions {
  /** The wasm module: its content, or where it is. Default: `emberwing_bg.wasm` beside the script. */
  wasm?: BufferSource | WebAssembly.Module | URL | string | Response | Promise<Response>;
  /** A file system for paths; without one, folders are loaded from `File[]` and nothing is saved to paths. */
  files?: Files;
}

/**
 * Loads the wasm module. Everything else works after it.
 *
 * @example
 * await init();
 * console.log(devices());
 */
export async function init({ wasm, files }: InitOptions = {}): Promise<void> {
  await binding.default(wasm === undefined ? undefined : { module_or_path: wasm });
  useCore(() => binding satisfies Core);
  useFiles(files);
}
