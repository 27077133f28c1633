/** docs/dependencies.md names what the manifests name, in those versions. */

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const page = await read("docs/dependencies.md");

/** The version that stands in the row of an npm package. */
function documentedVersion(name: string): string | undefined {
  return page
    .split("\n")
    .find((line) => line.startsWith(`| \`${name}\` |`))
    ?.split("|")[2]
    ?.trim();
}

/** Names of the dependencies of a crate, but for our own. */
function crateDependencies(manifest: string): string[] {
  const sections = manifest.split(/^\[/m).filter((section) => /^[^\]]*dependencies\]/.test(section));
  const lines = sections.flatMap((section) => section.split("\n").slice(1));
  const names = lines.map((line) => /package = "([^"]+)"/.exec(line)?.[1] ?? /^([\w-]+)/.exec(line)?.[1]);
  return names.filter((name) => name !== undefined && name !== "emberwing-core") as string[];
}

describe("npm", async () => {
  const { dependencies, devDependencies } = JSON.parse(await read("package.json"));
  test.each(Object.entries<string>({ ...dependencies, ...devDependencies }))("%s %s", (name, version) => {
    expect(documentedVersion(name)).toBe(version);
  });

  test("the peer of the bench in a page is named, in its exact version", async () => {
    const { dependencies: peers } = JSON.parse(await read("bench/browser/package.json"));
    for (const [name, version] of Object.entries<string>(peers)) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(page).toContain(`\`${name}\``);
      expect(page).toContain(version);
    }
  });

  test.each(["package-lock.json", "bench/browser/package-lock.json"])(
    "%s names no host to download from",
    async (path) => {
      expect(await read(path)).not.toContain('"resolved"');
    },
  );
});

describe("cargo", async () => {
  const manifests = await Promise.all(["core", "node", "wasm"].map((crate) => read(`crates/${crate}/Cargo.toml`)));
  test.each([...new Set(manifests.flatMap(crateDependencies))])("%s", (name) => {
    expect(page).toContain(`\`${name}\``);
  });
});
