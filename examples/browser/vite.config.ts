import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const built = (name: string): string => `${checkout}dist/${name}.mjs`;

/** What a page must be served with so that its worker has a thread for each core. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  // The package of this checkout; where `emberwing` is installed, it needs no settings.
  resolve: {
    alias: [
      { find: /^emberwing$/, replacement: built("browser") },
      { find: /^emberwing\/worker$/, replacement: built("worker") },
    ],
  },
  server: { host: "127.0.0.1", headers, fs: { allow: [checkout] } },
  preview: { host: "127.0.0.1", headers },
  build: { target: "es2023", chunkSizeWarningLimit: 1000 },
});
