/** What npm would publish: packed, installed into an empty project, and used there in every way that we promise. */

import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const tool = (path: string) => join(root, "node_modules", path);

let project: string;
let tarball: string;

/** A program of the consumer's project; resolves to its standard output. */
async function output(program: string, ...args: string[]): Promise<string> {
  return (await run(program, args, { cwd: project })).stdout.trim();
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "emberwing-consumer-"));
  await run("npm", ["pack", "--pack-destination", project], { cwd: root });
  tarball = join(project, (await readdir(project)).find((name) => name.endsWith(".tgz")) ?? "");
  await cp(join(root, "test/package/consumer"), project, { recursive: true });
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await output("npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball);
}, 300_000);

afterAll(() => rm(project, { recursive: true }));

test("the tarball holds what the entries need and no sources", async () => {
  const files = (await output("tar", "-tzf", tarball)).split("\n").map((name) => name.replace("package/", ""));
  expect(files).toEqual(
    expect.arrayContaining([
      "dist/node.mjs",
      "dist/node.cjs",
      "dist/browser.mjs",
      "dist/cli.mjs",
      "dist/wasm/emberwing_bg.wasm",
      ...["index.html", "style.css", "icon.svg", "page.js", "uPlot.min.css", "uPlot.LICENSE"].map(
        (name) => `dist/studio/${name}`,
      ),
      `dist/native/emberwing.${process.platform}-${process.arch}.node`,
    ]),
  );
  expect(files.filter((name) => /^(crates|ts|test|scripts)\/|\.stamps/.test(name))).toEqual([]);
});

test("publint has nothing to object to", async () => {
  const bytes = await readFile(tarball);
  const pack = { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) };
  expect((await publint({ pack, strict: true, level: "warning" })).messages).toEqual([]);
});

test("the types are right for every way of importing", async () => {
  const { stdout } = await run(process.execPath, [tool("@arethetypeswrong/cli/dist/index.js"), tarball], { cwd: root });
  expect(stdout).toContain("emberwing");
});

describe("an installed package", () => {
  /** torch.randn(2, generator=torch.Generator("cpu").manual_seed(42)) */
  const torch = [0.3366904, 0.12880941];

  test.each(["esm.mjs", "cjs.cjs", "wasm.mjs"])("runs in Node by %s", async (file) => {
    const values: number[] = JSON.parse(await output(process.execPath, file));
    expect(values).toHaveLength(2);
    values.forEach((value, index) => {
      expect(value).toBeCloseTo(torch[index] ?? Number.NaN, 6);
    });
  });

  test("type-checks for a consumer, wrong options included", async () => {
    const compiler = run(process.execPath, [tool("typescript/bin/tsc"), "--project", "."], { cwd: project });
    const { stdout } = await compiler.catch((failure: { stdout: string }) => failure);
    expect(stdout).toBe("");
  });

  test("brings the command", async () => {
    expect(await output("npx", "emberwing", "--help")).toContain("train");
  });

  test("never reaches Node's modules from the browser's entry", async () => {
    const entry = await readFile(join(project, "node_modules/emberwing/dist/browser.mjs"), "utf8");
    expect(entry).not.toMatch(/from "node:|import\("node:|\.node["`]/);
  });
});
