/** The entry for Node, Deno and Bun: the native addon and the file system. */
import { createRequire } from "node:module";
import type { Core } from "./core.js";
import { useCore } from "./engine.js";
import { EmberwingError } from "./errors.js";
import { useFiles } from "./platform/files.js";
import { useHub } from "./platform/hub.js";
import { nodeFiles } from "./platform/node-files.js";
import { nodeHub } from "./platform/node-hub.js";
import { announceMemory } from "./platform/node-memory.js";

export * from "./index.js";

useCore(loadAddon, undefined, announceMemory);
useFiles(nodeFiles);
useHub(nodeHub);

/** The addon that knows graphics cards and the CPU, then the small one with the CPU alone. */
const ADDONS = ["emberwing-gpu", "emberwing"] as const;

/**
 * Loads the first addon that is there. One has everything: handles of two could not work together.
 * `EMBERWING_ADDON=emberwing` takes the small one all the same.
 */
function loadAddon(): Core {
  // Not called `require`: the CommonJS build has that name for something else.
  const load = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  const wanted = process.env.EMBERWING_ADDON;
  const paths = ADDONS.filter((name) => !wanted || name === wanted).map((name) => `#native/${name}.${platform}.node`);
  const path = paths.find((path) => isThere(load, path));
  try {
    if (path === undefined) throw new Error(`looked for ${paths.join(", ") || `${wanted}, which is no addon's name`}`);
    return load(path) as Core;
  } catch (error) {
    throw new EmberwingError(
      "NotInitialized",
      `the native addon for ${platform} cannot be loaded (${(error as Error).message}): ` +
        "run `npm run setup` in emberwing's folder to build it",
      { cause: error },
    );
  }
}

function isThere(load: NodeJS.Require, path: string): boolean {
  try {
    load.resolve(path);
    return true;
  } catch {
    return false;
  }
}

/** Nothing to do in Node; there so that the same code runs in a page. */
export async function init(): Promise<void> {}
