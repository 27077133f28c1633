import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { adapterEnvironment } from "./scripts/build/adapter.mjs";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** One public behaviour, one test: the same files run over every engine. Only `test/node` needs the file system. */
const engine = (name: "napi" | "wasm" | "gpu", entry: string, more: EngineOptions) => ({
  extends: true as const,
  resolve: { alias: [{ find: /^emberwing$/, replacement: source(entry) }] },
  test: { name, include: ["test/**/*.test.ts"], ...more, env: { EMBERWING_ENGINE: name, ...more.env } },
});

interface EngineOptions {
  include?: string[];
  exclude?: string[];
  setupFiles?: string[];
  env?: Record<string, string>;
  testTimeout?: number;
}

/** Whatever runs a model or trains one. Only for cards of hardware: a software card takes seconds for a step. */
const MODEL_TESTS =
  process.env.EMBERWING_TEST_ADAPTER === "hardware"
    ? ["unet-2d-model", "unet-2d-formula", "training", "pipelines", "scheduler-loops"]
    : [];

function graphicsCard() {
  const adapter = adapterEnvironment();
  if (!adapter) {
    console.warn("graphics card: skipped, no adapter was found (Chromium brings a software one)");
    return [];
  }
  // The driver is looked for when a worker process starts, which is before its `env` is set.
  Object.assign(process.env, adapter);
  return [
    engine("gpu", "ts/src/node.ts", {
      include: [...MODEL_TESTS.map((name) => `test/${name}.test.ts`), "test/gpu/*.test.ts"],
      env: { EMBERWING_ADDON: "emberwing-gpu", EMBERWING_DEVICE: "gpu" },
      testTimeout: 600_000,
    }),
  ];
}

export default defineConfig({
  test: {
    testTimeout: 60_000,
    // What a page or a process shows comes when it comes, on a busy machine later.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      engine("napi", "ts/src/node.ts", {
        exclude: ["test/package/**", "test/gpu/**"],
        env: { EMBERWING_ADDON: "emberwing" },
      }),
      ...graphicsCard(),
      engine("wasm", "ts/src/browser.ts", {
        exclude: ["test/package/**", "test/node/**", "test/gpu/**"],
        setupFiles: ["test/setup-wasm.ts"],
      }),
      { extends: true, test: { name: "source", include: ["ts/src/**/*.test.ts"] } },
      { extends: true, test: { name: "package", include: ["test/package/*.test.ts"], testTimeout: 300_000 } },
    ],
  },
});
