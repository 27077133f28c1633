/** The package in a page: bundled by Vite and by webpack, and without a bundler; each page trains, draws, saves and asks a hub. */

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright";
import { build, createServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { CHROMIUM_FLAGS, chromium as chromiumPath } from "../../scripts/build/chromium.mjs";
import { type FolderServer, ISOLATION, serveFolder } from "../../scripts/serve-folder.mjs";
import { DDPMPipeline } from "../../ts/src/node.js";
import { maxDifference } from "../closeness.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = chromiumPath();

interface PageResult {
  error?: string;
  /** Codes of the errors that page and worker got from a server that is no hub. */
  hub: string[];
  losses: number[];
  /** Bytes of 8×8 RGB. */
  picture: number[];
  /** The same, drawn by a worker with what the page saved. */
  fromWorker: number[];
  /** Bytes of a zip file. */
  saved: number[];
}

describe.skipIf(!program)("a page", () => {
  let project: string;
  let browser: Browser;
  const servers: FolderServer[] = [];

  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), "emberwing-page-"));
    await cp(join(root, "test/package/page"), project, { recursive: true });
    const installed = join(project, "node_modules/emberwing");
    await mkdir(installed, { recursive: true });
    await cp(join(root, "package.json"), join(installed, "package.json"));
    await cp(join(root, "dist"), join(installed, "dist"), {
      recursive: true,
      filter: (path) => !/native|\.stamps|\.map$/.test(path),
    });
    const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) {
      const link = join(project, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(root, "node_modules", name), link);
    }
    browser = await chromium.launch({ executablePath: program as string, args: CHROMIUM_FLAGS });
  });

  afterAll(async () => {
    await browser?.close();
    for (const server of servers) server.close();
    await rm(project, { recursive: true });
  });

  async function serve(folder: string, options: Parameters<typeof serveFolder>[1] = {}): Promise<string> {
    const server = await serveFolder(folder, options);
    servers.push(server);
    return server.url;
  }

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

  /** What the page saved, Node loads and paints the same with it. */
  async function expectTrained(result: PageResult): Promise<void> {
    expect(result.error).toBeUndefined();
    expect(result.losses).toEqual([expect.closeTo(1, 0)]);
    // Not there, or a page in place of an answer: the hub's client, which is loaded at its first use, was found.
    const refused = expect.stringMatching(/^(MissingFile|Network)$/);
    expect(result.hub).toEqual([refused, refused]);
    const pipeline = await DDPMPipeline.fromPretrained(new Blob([Uint8Array.from(result.saved)]));
    const { images } = await pipeline.generate({ numInferenceSteps: 2, seed: 0 });
    expect(new Set(result.picture).size).toBeGreaterThan(10);
    expect(result.fromWorker).toEqual(result.picture);
    // Sums have another order on another processor: a value may round the other way.
    expect(maxDifference(images[0]?.data ?? [], result.picture)).toBeLessThanOrEqual(1);
  }

  /** The page's worker has threads, and comes to the numbers of the page itself, which has none. */
  async function expectThreads(folder: string): Promise<void> {
    const modules: string[] = [];
    const onRequest = (path: string) => void (path.endsWith(".wasm") && modules.push(path));
    await expectTrained(await open(await serve(folder, { headers: ISOLATION, onRequest })));
    // Bundlers give them names of their own.
    const contents = modules.map((path) => readFile(join(folder, path)));
    const wanted = ["emberwing", "emberwing_threads"].map((name) => readFile(join(root, `dist/wasm/${name}_bg.wasm`)));
    const [got, expected] = [await Promise.all(contents), await Promise.all(wanted)];
    expect(got.map((content) => expected.findIndex((each) => each.equals(content)))).toEqual([0, 1]);
  }

  test("without a bundler", async () => {
    await expectTrained(await open(await serve(project)));
    await expectThreads(project);
  });

  test("from a server that has never heard of WebAssembly", async () => {
    await expectTrained(await open(await serve(project, { types: { ".wasm": "text/plain" } })));
  });

  test("with the package from another site", async () => {
    const path = join(project, "other-site");
    const modules: string[] = [];
    const onRequest = (path: string) => void (path.endsWith(".wasm") && modules.push(basename(path)));
    const site = await serve(project, { headers: { "Access-Control-Allow-Origin": "*" }, onRequest });
    const html = await readFile(join(project, "index.html"), "utf8");
    await mkdir(path);
    await writeFile(join(path, "index.html"), html.replaceAll('"./node_modules', `"${site}node_modules`));
    await cp(join(project, "main.js"), join(path, "main.js"));
    await expectTrained(await open(await serve(path)));
    await expectTrained(await open(await serve(path, { headers: ISOLATION })));
    const [alone, threads] = ["emberwing_bg.wasm", "emberwing_threads_bg.wasm"];
    expect(modules).toEqual([alone, alone, alone, threads]);
  });

  test("built by Vite", async () => {
    const outDir = join(project, "vite");
    await build({ root: project, base: "./", logLevel: "error", build: { outDir } });
    await expectTrained(await open(await serve(outDir)));
    await expectThreads(outDir);
  });

  test("from Vite's development server", async () => {
    const server = await createServer({ root: project, logLevel: "error", server: { port: 0, host: "127.0.0.1" } });
    try {
      await server.listen();
      await expectTrained(await open(server.resolvedUrls?.local[0] as string));
    } finally {
      await server.close();
    }
  });

  test("built by webpack", async () => {
    const path = join(project, "webpack");
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
      const entry = join(project, "main.js");
      webpack({ context: project, mode: "production", entry, output: { path, publicPath: "auto" } }, (error, stats) =>
        error ? reject(error) : resolve(stats),
      );
    });
    expect(stats?.compilation.errors).toEqual([]);
    await cp(join(project, "webpack.html"), join(path, "index.html"));
    await expectTrained(await open(await serve(path)));
    await expectThreads(path);
  });

  /** The page without a file of the package. */
  async function without(file: string): Promise<string> {
    const path = join(project, `without-${file}`);
    for (const name of ["index.html", "main.js", "node_modules/fflate", "node_modules/emberwing"]) {
      await cp(join(project, name), join(path, name), { recursive: true, dereference: true });
    }
    await rm(join(path, "node_modules/emberwing/dist/wasm", file));
    return path;
  }

  test("whose module is missing says what to publish", async () => {
    const { error } = await open(await serve(await without("emberwing_bg.wasm")));
    expect(error).toMatch(/404.*see that emberwing_bg\.wasm is published/);
  });

  test("whose module with threads is missing says so, and computes on one", async () => {
    const warnings: string[] = [];
    const url = await serve(await without("emberwing_threads_bg.wasm"), { headers: ISOLATION });
    await expectTrained(await open(url, "", warnings));
    expect(warnings).toContainEqual(
      expect.stringMatching(/on one thread.*404.*emberwing_threads_bg\.wasm is published/),
    );
  });

  test("in a browser without SIMD says which ones have it", async () => {
    expect((await open(await serve(project), "WebAssembly.validate = () => false")).error).toMatch(/SIMD.*Chrome 91/);
  });
});
