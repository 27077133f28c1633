/** The entry for Node, Deno and Bun: the native addon and the file system. */
import { createRequire } from "node:module";
import type { Core } from "./core.js";
import { useCore } from "./engine.js";
import { EmberwingError } from "./errors.js";
import { useFiles } from "./platform/files.js";
import { nodeFiles } from "./platform/node-files.js";

export * from "./index.js";

useCore(loadAddon);
useFiles(nodeFiles);

function loadAddon(): Core {
  const name = `emberwing.${process.platform}-${process.arch}.node`;
  try {
    return createRequire(import.meta.url)(`#native/${name}`) as Core;
  } catch (error) {
    throw new EmberwingError(
      "NotInitialized",
      `the native addon for ${process.platform}-${process.arch} (dist/native/${name}) cannot be loaded: ` +
        "run `npm run setup` in emberwing's folder to build it",
      { cause: error },
    );
  }
}

/** Nothing to do in Node; there so that the same code runs in a page. */
export async function init(): Promise<void> {}
