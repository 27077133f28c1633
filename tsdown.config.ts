import { defineConfig, type Rolldown } from "tsdown";

/**
 * The wasm-bindgen module stays a file of its own, so that `new URL("emberwing_bg.wasm", import.meta.url)` inside it
 * finds its neighbour, and it is named by a relative path, which pages without a bundler can load too.
 */
const wasmBesideEntry: Rolldown.Plugin = {
  name: "wasm-beside-entry",
  resolveId: (source) => (source === "#wasm" ? { id: "./wasm/emberwing.js", external: true } : null),
};

const shared = {
  outDir: "dist",
  clean: false,
  target: "es2023",
  sourcemap: true,
  // Our classes have [Symbol.dispose], which the libraries that TypeScript takes by default do not know yet.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
} as const;

export default defineConfig([
  { ...shared, entry: ["ts/src/node.ts", "ts/src/cli.ts"], format: "esm", platform: "node", dts: true },
  { ...shared, entry: ["ts/src/node.ts"], format: "cjs", platform: "node", dts: true },
  {
    ...shared,
    entry: ["ts/src/browser.ts", "ts/src/worker.ts", "ts/src/worker-host.ts"],
    format: "esm",
    platform: "browser",
    dts: true,
    outExtensions: () => ({ js: ".mjs", dts: ".d.mts" }),
    plugins: [wasmBesideEntry],
  },
]);
