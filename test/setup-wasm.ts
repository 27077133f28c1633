import { readFile } from "node:fs/promises";
import { init } from "../ts/src/browser.js";
import { nodeFiles } from "../ts/src/platform/node-files.js";

const wasm = await readFile(new URL("../dist/wasm/emberwing_bg.wasm", import.meta.url));
await init({ wasm, files: nodeFiles });
