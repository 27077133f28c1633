/** What a page downloads. The bounds are there so that growth is noticed; raise them when it is worth it. */

import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const read = (path: string) => readFile(new URL(`../../dist/${path}`, import.meta.url));

/** A module and those that it imports before it runs. */
async function withImports(path: string, found = new Map<string, Buffer>()): Promise<Map<string, Buffer>> {
  if (found.has(path)) return found;
  const content = await read(path);
  found.set(path, content);
  for (const [, name] of content.toString().matchAll(/^(?:import|export)\b[^\n]*?["'](\.[^"']+)["'];?$/gm)) {
    await withImports(posix.join(posix.dirname(path), name as string), found);
  }
  return found;
}

test("the browser's JavaScript is at most 50 KB", async () => {
  const modules = await withImports("browser.mjs");
  expect([...modules.keys()]).toContain("wasm/emberwing.js");
  const size = [...modules.values()].reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0);
  console.log(`browser entry: ${(size / 1000).toFixed(1)} KB of JavaScript (gzip)`);
  expect(size).toBeLessThanOrEqual(50_000);
});

test.for([
  ["for the CPU", "emberwing_bg.wasm", 1.05],
  ["for the CPU with threads", "emberwing_threads_bg.wasm", 1.05],
  ["for graphics cards", "emberwing_gpu_bg.wasm", 3],
] as const)("the module %s stays small: %s, at most %s MB (Brotli)", async ([what, name, megabytes]) => {
  const size = brotliCompressSync(await read(`wasm/${name}`)).length;
  console.log(`WebAssembly module ${what}: ${(size / 1e6).toFixed(2)} MB (Brotli)`);
  expect(size).toBeLessThanOrEqual(megabytes * 1e6);
});
