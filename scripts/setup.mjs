/**
 * Makes the checkout ready to run: npm packages, Node addons, WebAssembly module, TypeScript. Depends on nothing but Node.
 *
 *     node scripts/setup.mjs                      everything
 *     node scripts/setup.mjs --only native,ts     some steps of npm, native, gpu, wasm, wasm-threads, wasm-gpu, ts
 */

import { parseArgs } from "node:util";
import { explained } from "./build/process.mjs";
import { setUp } from "./build/steps.mjs";

await explained(async () => {
  const { values } = parseArgs({ options: { only: { type: "string" } } });
  await setUp(values.only?.split(","));
});
