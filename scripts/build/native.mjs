/** The Node addon: the compiled library of crates/node under the name that ts/src/node.ts asks for. */

import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { cargoTarget, root } from "./paths.mjs";
import { run } from "./process.mjs";

const addon = `dist/native/emberwing.${process.platform}-${process.arch}.node`;

/** What cargo calls a dynamic library here. */
function libraryName() {
  if (process.platform === "win32") return "emberwing_node.dll";
  return process.platform === "darwin" ? "libemberwing_node.dylib" : "libemberwing_node.so";
}

/** Copied beside its place and renamed: a process that has the old addon loaded keeps it. */
function install() {
  const target = join(root, addon);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(cargoTarget, "release", libraryName()), `${target}.new`);
  renameSync(`${target}.new`, target);
}

/** @type {import("./steps.mjs").Step} */
export const native = {
  name: "native",
  title: "Node addon",
  rust: true,
  inputs: ["Cargo.toml", "Cargo.lock", "crates/core/src", "crates/core/Cargo.toml", "crates/node"],
  outputs: [addon],
  build: async () => {
    await run("cargo", ["build", "--release", "--locked", "--package", "emberwing-node"]);
    install();
  },
};
