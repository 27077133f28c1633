/** The direction of dependencies that docs/architecture.md promises, held by looking at the imports. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const root = new URL(".", import.meta.url);
const platform = [
  "node.ts",
  "browser.ts",
  "worker.ts",
  "worker-host.ts",
  "wasm-modules.ts",
  "thread.ts",
  "cli.ts",
  "cli/",
  "studio/",
  "platform/node-files.ts",
  "platform/node-hub.ts",
  "platform/node-names.ts",
  "platform/node-spool.ts",
  "platform/node-walk.ts",
  "platform/folder-lock.ts",
  "platform/node-hub/",
];

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.startsWith("generated/"));
const shared = files.filter((file) => !platform.some((entry) => file === entry || file.startsWith(entry)));

function importsOf(file: string): string[] {
  const text = readFileSync(new URL(file, root), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?"([^"]+)"/g)].map(([, path]) => path as string);
}

function expectNoImports(folder: string, forbidden: RegExp): void {
  const members = files.filter((file) => file.startsWith(folder));
  expect(members.length).toBeGreaterThan(0);
  for (const file of members)
    expect(
      importsOf(file).filter((path) => forbidden.test(path)),
      file,
    ).toEqual([]);
}

test("only the entry files, the command line and the studio have platform words", () => {
  expect(shared.length).toBeGreaterThan(30);
  for (const file of shared) {
    const text = readFileSync(new URL(file, root), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    expect(text.match(/"node:|\bprocess\.|\bwindow\.|\bdocument\.|\brequire\(|#native|#wasm/g), file).toBeNull();
  }
});

describe("layers", () => {
  test("schedulers and models do not know each other", () => {
    expectNoImports("schedulers/", /\/models\//);
    expectNoImports("models/", /\/schedulers\//);
  });

  test("what pipelines and training stand on does not know them", () => {
    for (const folder of ["schedulers/", "models/", "random/", "pretrained/", "platform/"]) {
      expectNoImports(folder, /\/(pipelines|training|data)\//);
    }
  });

  test("the hub's client, and the package that it takes for uploads, are loaded at their first use", () => {
    const outside = files.filter((file) => !/^platform\/(node-|page-)?hub\//.test(file));
    for (const file of files) {
      const text = readFileSync(new URL(file, root), "utf8");
      const statics = [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)"/gm)].map(([, path]) => path);
      const forbidden = outside.includes(file)
        ? /@huggingface|\/(node-|page-)?hub\/(?!hub-repo|model-card)/
        : /@huggingface/;
      expect(
        statics.filter((path) => forbidden.test(path as string)),
        file,
      ).toEqual([]);
    }
    expect(files).toContain("platform/node-hub/push.ts");
    expect(files).toContain("platform/page-hub/place.ts");
  });

  test("the studio's page has nothing of Node, nor of the engine", () => {
    expectNoImports("studio/page/", /^node:|\/(cli|platform|models|pipelines|engine|core)[/.]/);
    expectNoImports("studio/page/", /^\.\.\/(?!protocol\.js|\.\.\/figures\/series\.js)/);
  });

  test("the library does not know the studio, nor the command line", () => {
    for (const file of shared)
      expect(
        importsOf(file).filter((path) => /\/(studio|cli)\//.test(path)),
        file,
      ).toEqual([]);
  });

  test("nothing imports the entry files, and only they import the index, but for the types of the API in a worker", () => {
    for (const file of shared.filter((file) => file !== "worker/remote.ts")) {
      expect(
        importsOf(file).filter(
          (path) => /\/(node|browser|worker|worker-host|index)\.js$/.test(path) && !/figures/.test(path),
        ),
        file,
      ).toEqual([]);
    }
  });
});
