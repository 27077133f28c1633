/** `ours.mjs` over the WebAssembly module: started with `--conditions=browser`, which makes "emberwing" that entry. */

import { readFile } from "node:fs/promises";
import { init } from "emberwing";

await init({ wasm: await readFile(new URL("../dist/wasm/emberwing_bg.wasm", import.meta.url)) });
await import("./ours.mjs");
