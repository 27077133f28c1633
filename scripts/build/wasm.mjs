/** The WebAssembly module: crates/wasm, its JavaScript side by wasm-bindgen, made smaller and faster by wasm-opt. */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, cargoTarget, dist, root } from "./paths.mjs";
import { read, run, SetupError } from "./process.mjs";
import { prepareWasmTarget, TARGET } from "./wasm-target.mjs";

const FOLDER = join(dist, "wasm");
const MODULE = join(FOLDER, "emberwing_bg.wasm");

/** What the compiler was allowed to use (.cargo/config.toml and rustc's defaults), which wasm-opt must be told. */
const FEATURES = [
  "simd",
  "bulk-memory",
  "bulk-memory-opt",
  "nontrapping-float-to-int",
  "sign-ext",
  "mutable-globals",
  "reference-types",
  "multivalue",
];

const CRATE = ["--release", "--locked", "--package", "emberwing-wasm"];

/** The command line must have the very version of the library that was compiled in. */
function bindgenVersion() {
  const version = /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(
    readFileSync(join(root, "Cargo.lock"), "utf8"),
  )?.[1];
  if (!version) throw new SetupError("Cargo.lock names no wasm-bindgen.");
  return version;
}

/**
 * The program of that version: the one on the PATH, or ours, compiled once.
 * @returns {Promise<string>}
 */
async function prepareBindgen() {
  const version = bindgenVersion();
  if (read("wasm-bindgen", ["--version"]) === `wasm-bindgen ${version}`) return "wasm-bindgen";
  const folder = join(cache, "tools", `wasm-bindgen-${version}`);
  const program = join(folder, "bin", process.platform === "win32" ? "wasm-bindgen.exe" : "wasm-bindgen");
  if (!existsSync(program)) {
    const what = ["wasm-bindgen-cli", "--version", `=${version}`, "--bin", "wasm-bindgen", "--no-default-features"];
    await run("cargo", ["install", ...what, "--root", folder], { CARGO_TARGET_DIR: join(cache, "tools", "target") });
    rmSync(join(cache, "tools", "target"), { recursive: true, force: true });
  }
  return program;
}

async function optimise() {
  const flags = FEATURES.map((feature) => `--enable-${feature}`);
  const program = join(root, "node_modules/binaryen/bin/wasm-opt");
  await run(process.execPath, [program, "-O3", ...flags, MODULE, "-o", `${MODULE}.new`]);
  renameSync(`${MODULE}.new`, MODULE);
}

/** @type {import("./steps.mjs").Step} */
export const wasm = {
  name: "wasm",
  title: "WebAssembly module",
  rust: true,
  inputs: [".cargo", "Cargo.toml", "Cargo.lock", "crates/core/src", "crates/core/Cargo.toml", "crates/wasm"],
  outputs: ["dist/wasm/emberwing.js", "dist/wasm/emberwing.d.ts", "dist/wasm/emberwing_bg.wasm"],
  build: async () => {
    const bindgen = await prepareBindgen();
    const { args, env } = await prepareWasmTarget();
    await run("cargo", ["build", ...args, ...CRATE, "--target", TARGET], env);
    mkdirSync(FOLDER, { recursive: true });
    const compiled = join(cargoTarget, TARGET, "release", "emberwing_wasm.wasm");
    await run(bindgen, [compiled, "--target", "web", "--out-dir", FOLDER, "--out-name", "emberwing"]);
    await optimise();
  },
};
