/** The package in a page: bundled by Vite and by webpack, and without a bundler; each page trains, draws, saves and asks a hub. */

import { cp, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Browser, chromium } from "playwright";
import { build, createServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { CHROMIUM_FLAGS, chromium as chromiumPath } from "../../scripts/build/chromium.mjs";
import { ISOLATION } from "../../scripts/serve-folder.mjs";
import { expectThreads, expectTrained, PageProject, type PageResult } from "./page-project.js";

const program = chromiumPath();

describe.skipIf(!program)("a page", () => {
  let project: PageProject;
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    project = await PageProject.create();
    folder = project.folder;
    browser = await chromium.launch({ executablePath: program as string, args: CHROMIUM_FLAGS });
  });

  afterAll(async () => {
    await browser?.close();
    await project?.remove();
  });

  async function open(url: string, prepare = "", warnings: string[] = []): Promise<PageResult> {
    const page = await browser.newPage();
    page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
    try {
      await page.addInitScript(prepare);
      await page.goto(url);
      await page.waitForFunction("globalThis.result");
      return await page.evaluate("globalThis.result");
    } finally {
      await page.close();
    }
  }

  test("without a bundler", async () => {
    await expectTrained(await open(await project.serve(folder)));
    await expectThreads(project, folder, open);
  });

  test("from a server that has never heard of WebAssembly", async () => {
    await expectTrained(await open(await project.serve(folder, { types: { ".wasm": "text/plain" } })));
  });

  test("with the package from another site", async () => {
    const modules: string[] = [];
    const path = await project.withPackageElsewhere((path) => path.endsWith(".wasm") && modules.push(basename(path)));
    await expectTrained(await open(await project.serve(path)));
    await expectTrained(await open(await project.serve(path, { headers: ISOLATION })));
    const [alone, threads] = ["emberwing_bg.wasm", "emberwing_threads_bg.wasm"];
    expect(modules).toEqual([alone, alone, alone, threads]);
  });

  test("built by Vite", async () => {
    const outDir = join(folder, "vite");
    await build({ root: folder, base: "./", logLevel: "error", build: { outDir } });
    await expectTrained(await open(await project.serve(outDir)));
    await expectThreads(project, outDir, open);
  });

  test("from Vite's development server", async () => {
    const server = await createServer({ root: folder, logLevel: "error", server: { port: 0, host: "127.0.0.1" } });
    try {
      await server.listen();
      await expectTrained(await open(server.resolvedUrls?.local[0] as string));
    } finally {
      await server.close();
    }
  });

  test("built by webpack", async () => {
    const path = join(folder, "webpack");
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
      const entry = join(folder, "main.js");
      webpack({ context: folder, mode: "production", entry, output: { path, publicPath: "auto" } }, (error, stats) =>
        error ? reject(error) : resolve(stats),
      );
    });
    expect(stats?.compilation.errors).toEqual([]);
    await cp(join(folder, "webpack.html"), join(path, "index.html"));
    await expectTrained(await open(await project.serve(path)));
    await expectThreads(project, path, open);
  });

  /** The page without a file of the package. */
  async function without(file: string): Promise<string> {
    const path = join(folder, `without-${file}`);
    for (const name of ["index.html", "main.js", "training.js", "node_modules/fflate", "node_modules/emberwing"]) {
      await cp(join(folder, name), join(path, name), { recursive: true, dereference: true });
    }
    await rm(join(path, "node_modules/emberwing/dist/wasm", file));
    return path;
  }

  test("whose module is missing says what to publish", async () => {
    const { error } = await open(await project.serve(await without("emberwing_bg.wasm")));
    expect(error).toMatch(/404.*see that emberwing_bg\.wasm is published/);
  });

  test("whose module with threads is missing says so, and computes on one", async () => {
    const warnings: string[] = [];
    const url = await project.serve(await without("emberwing_threads_bg.wasm"), { headers: ISOLATION });
    await expectTrained(await open(url, "", warnings));
    expect(warnings).toContainEqual(
      expect.stringMatching(/on one thread.*404.*emberwing_threads_bg\.wasm is published/),
    );
  });

  test("in a browser without SIMD says which ones have it", async () => {
    expect((await open(await project.serve(folder), "WebAssembly.validate = () => false")).error).toMatch(
      /SIMD.*Chrome 100/,
    );
  });
});
