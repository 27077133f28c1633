/** Constructors of the modules run once, when a module starts. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

// What the linker calls a function that runs all constructors before it does what it is for. Those of the module for graphics
// cards take milliseconds, and each object that comes from the browser is such a call.
const RUNS_CONSTRUCTORS = /_command_export$/;

test.for(["emberwing_bg.wasm", "emberwing_threads_bg.wasm", "emberwing_gpu_bg.wasm"])(
  "no call into %s runs constructors again",
  async (file) => {
    const module = await WebAssembly.compile(await readFile(new URL(`../../dist/wasm/${file}`, import.meta.url)));
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names).toContain("devices");
    expect(names.filter((name) => RUNS_CONSTRUCTORS.test(name))).toEqual([]);
  },
);
