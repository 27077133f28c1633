import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** One public behaviour, one test: the same files run over every engine. Only `test/node` needs the file system. */
const engine = (name: "napi" | "wasm", entry: string, more: { exclude?: string[]; setupFiles?: string[] }) => ({
  extends: true as const,
  resolve: { alias: [{ find: /^emberwing$/, replacement: source(entry) }] },
  test: { name, include: ["test/**/*.test.ts"], env: { EMBERWING_ENGINE: name }, ...more },
});

export default defineConfig({
  test: {
    testTimeout: 60_000,
    projects: [
      engine("napi", "ts/src/node.ts", { exclude: ["test/package/**"] }),
      engine("wasm", "ts/src/browser.ts", {
        exclude: ["test/package/**", "test/node/**"],
        setupFiles: ["test/setup-wasm.ts"],
      }),
      { extends: true, test: { name: "source", include: ["ts/src/**/*.test.ts"] } },
      { extends: true, test: { name: "package", include: ["test/package/*.test.ts"], testTimeout: 300_000 } },
    ],
  },
});
