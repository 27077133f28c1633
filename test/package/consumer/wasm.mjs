import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Generator, init } from "emberwing/browser";

await init({ wasm: await readFile(fileURLToPath(import.meta.resolve("emberwing/wasm"))) });
console.log(JSON.stringify([...new Generator(42).randn([2]).data]));
