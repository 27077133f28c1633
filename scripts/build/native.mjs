/**
 * The Node addons: the compiled library of crates/node under the names that ts/src/node.ts asks for. There are two: one with
 * the CPU alone, which is small and quickly compiled, and one with graphics cards beside it.
 */

import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { cargoTarget, root } from "./paths.mjs";
import { run } from "./process.mjs";

/** @param {string} name */
const addon = (name) => `dist/native/${name}.${process.platform}-${process.arch}.node`;

/** What cargo calls a dynamic library here. */
function libraryName() {
  if (process.platform === "win32") return "emberwing_node.dll";
  return process.platform === "darwin" ? "libemberwing_node.dylib" : "libemberwing_node.so";
}

/**
 * Copied beside its place and renamed: a process that has the old addon loaded keeps it.
 * @param {string} profile
 * @param {string} file
 */
function install(profile, file) {
  const target = join(root, file);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(cargoTarget, profile, libraryName()), `${target}.new`);
  renameSync(`${target}.new`, target);
}

const INPUTS = ["Cargo.toml", "Cargo.lock", "crates/core/src", "crates/core/Cargo.toml", "crates/node"];
const CRATE = ["--locked", "--package", "emberwing-node"];

/** @type {import("./steps.mjs").Step} */
export const native = {
  name: "native",
  title: "Node addon",
  rust: true,
  inputs: INPUTS,
  outputs: [addon("emberwing")],
  build: async () => {
    await run("cargo", ["build", "--release", ...CRATE]);
    install("release", addon("emberwing"));
  },
};

/** @type {import("./steps.mjs").Step} */
export const gpu = {
  name: "gpu",
  title: "Node addon for graphics cards",
  rust: true,
  inputs: INPUTS,
  outputs: [addon("emberwing-gpu")],
  build: async () => {
    await run("cargo", ["build", "--profile", "gpu", "--features", "gpu", ...CRATE]);
    install("gpu", addon("emberwing-gpu"));
  },
};
