/** The JavaScript and the type declarations of ts/src. */

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { dist, root } from "./paths.mjs";
import { run } from "./process.mjs";

/** Shared chunks have their hash in the name: without this, old ones would stay and be published. */
function removeOldModules() {
  if (!existsSync(dist)) return;
  for (const entry of readdirSync(dist, { withFileTypes: true })) if (entry.isFile()) rmSync(join(dist, entry.name));
}

/** @type {import("./steps.mjs").Step} */
export const typescript = {
  name: "ts",
  title: "TypeScript",
  rust: false,
  inputs: ["package.json", "package-lock.json", "tsconfig.json", "tsdown.config.ts", "ts/src"],
  outputs: [
    ...["node.mjs", "node.cjs", "cli.mjs", "browser.mjs", "worker.mjs", "worker-host.mjs", "thread.mjs"],
    "studio/page.js",
  ].map((name) => `dist/${name}`),
  build: async () => {
    removeOldModules();
    await run(process.execPath, [join(root, "node_modules/tsdown/dist/run.mjs"), "--log-level", "error"]);
  },
};
