import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { testAdapter } from "./scripts/build/adapter.mjs";
import { CHROMIUM_FLAGS, chromium, WEBGPU_FLAGS } from "./scripts/build/chromium.mjs";
import { hubCommands } from "./test/page/hub-commands.js";

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

/** Whatever runs a model or trains one: as much of it as a card gets through in minutes. */
const RUN_MODELS = ["unet-2d-model", "training", "pipelines", "scheduler-loops"];
const MODEL_TESTS = {
  swiftshader: RUN_MODELS,
  lavapipe: RUN_MODELS,
  // Eight steps of the course's model.
  hardware: [...RUN_MODELS, "unet-2d-formula"],
};

const modelTests = (card: keyof typeof MODEL_TESTS) => MODEL_TESTS[card].map((name) => `test/${name}.test.ts`);

function graphicsCard() {
  const adapter = testAdapter();
  if (!adapter) {
    console.warn("graphics card: skipped, no adapter was found (Debian's mesa-vulkan-drivers has one in software)");
    return [];
  }
  // The driver is looked for when a worker process starts, which is before its `env` is set.
  Object.assign(process.env, adapter.environment);
  return [
    engine("gpu", "ts/src/node.ts", {
      include: [...modelTests(adapter.name), "test/gpu/*.test.ts"],
      env: { EMBERWING_ADDON: "emberwing-gpu", EMBERWING_DEVICE: "gpu", EMBERWING_TEST_ADAPTER: adapter.name },
      testTimeout: 600_000,
    }),
  ];
}

/** What stands in for modules of Node and of its tests in a page. */
const PAGE_MODULES = ["node-fs-promises", "node-os", "node-path", "fixture-files"].map((name) => ({
  find: new RegExp(`^(\\./${name}\\.js|${name.replace("node-", "node:").replace("-", "/")})$`),
  replacement: source(`test/page/${name}.ts`),
}));

/** Tests that are about what a page does not have. */
const NOT_IN_PAGES = [
  "test/python.test.ts", // starts Python
  "test/python-training.test.ts", // starts Python
  "test/entries.test.ts", // compares the entries, Node's too
  "test/streaming.test.ts", // the core reads files by itself; that it does not in pages, test/page tests
];

/** Tests in a page: on the CPU, and with WebGPU on a program in place of a card. */
function inChromium() {
  const program = chromium();
  if (!program) {
    console.warn("Chromium: skipped, no program was found (CHROMIUM_PATH names one)");
    return [];
  }
  const page = (name: string, flags: string[], test: EngineOptions) => ({
    extends: true as const,
    resolve: { alias: [{ find: /^emberwing$/, replacement: source("ts/src/browser.ts") }, ...PAGE_MODULES] },
    test: {
      name,
      ...test,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        commands: hubCommands,
        provider: playwright({ launchOptions: { executablePath: program, args: [...CHROMIUM_FLAGS, ...flags] } }),
        instances: [{ browser: "chromium" as const }],
      },
    },
  });
  return [
    page("chromium", [], {
      include: ["test/*.test.ts", "test/page/*.test.ts"],
      exclude: NOT_IN_PAGES,
      setupFiles: ["test/page/setup.ts"],
      env: { EMBERWING_ENGINE: "wasm" },
    }),
    page("webgpu", WEBGPU_FLAGS, {
      include: [...modelTests("swiftshader"), "test/gpu/device.test.ts", "test/webgpu/*.test.ts"],
      setupFiles: ["test/webgpu/setup.ts"],
      env: { EMBERWING_ENGINE: "webgpu" },
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
        exclude: ["test/package/**", "test/gpu/**", "test/page/**", "test/webgpu/**"],
        env: { EMBERWING_ADDON: "emberwing" },
      }),
      ...graphicsCard(),
      engine("wasm", "ts/src/browser.ts", {
        exclude: ["test/package/**", "test/node/**", "test/gpu/**", "test/page/**", "test/webgpu/**"],
        setupFiles: ["test/setup-wasm.ts"],
      }),
      ...inChromium(),
      { extends: true, test: { name: "source", include: ["ts/src/**/*.test.ts"] } },
      { extends: true, test: { name: "package", include: ["test/package/*.test.ts"], testTimeout: 300_000 } },
    ],
  },
});
