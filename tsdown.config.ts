import { defineConfig, type Rolldown, type UserConfig } from "tsdown";

const WASM: Record<string, string> = {
  "#wasm": "./wasm/emberwing.js",
  "#wasm-threads": "./wasm/emberwing_threads.js",
  "#wasm-gpu": "./wasm/emberwing_gpu.js",
};

/**
 * The wasm-bindgen modules stay files of their own, so that `new URL("emberwing_bg.wasm", import.meta.url)` inside them
 * finds its neighbour, and they are named by relative paths, which pages without a bundler can load too.
 */
const wasmBesideEntry: Rolldown.Plugin = {
  name: "wasm-beside-entry",
  resolveId: (source) => (source in WASM ? { id: WASM[source] as string, external: true } : null),
};

const shared = {
  outDir: "dist",
  clean: false,
  target: "es2023",
  sourcemap: true,
  // Our classes have [Symbol.dispose], which the libraries that TypeScript takes by default do not know yet.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
} as const;

/** The studio's page, with everything that it needs: it is shown where there may be no network. */
const studioPage: UserConfig = {
  ...shared,
  outDir: "dist/studio",
  entry: ["ts/src/studio/page/page.ts"],
  format: "esm",
  platform: "browser",
  noExternal: ["uplot"],
  inlineOnly: ["uplot"],
  dts: false,
  sourcemap: false,
  outExtensions: () => ({ js: ".js" }),
  copy: [
    ...["index.html", "style.css", "icon.svg"].map((name) => `ts/src/studio/page/${name}`),
    "node_modules/uplot/dist/uPlot.min.css",
    { from: "node_modules/uplot/LICENSE", to: "dist/studio", rename: "uPlot.LICENSE" },
  ],
};

export default defineConfig([
  { ...shared, entry: ["ts/src/node.ts", "ts/src/cli.ts"], format: "esm", platform: "node", dts: true },
  { ...shared, entry: ["ts/src/node.ts"], format: "cjs", platform: "node", dts: true },
  {
    ...shared,
    entry: ["ts/src/browser.ts", "ts/src/worker.ts", "ts/src/worker-host.ts", "ts/src/thread.ts"],
    format: "esm",
    platform: "browser",
    dts: true,
    outExtensions: () => ({ js: ".mjs", dts: ".d.mts" }),
    // A page downloads no comments: the declarations have those of the API, the source maps all.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: false } },
    plugins: [wasmBesideEntry],
  },
  studioPage,
]);
