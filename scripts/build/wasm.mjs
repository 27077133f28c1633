/**
 * The WebAssembly modules: crates/wasm, its JavaScript side by wasm-bindgen, made smaller and faster by wasm-opt. There are three: one
 * with the CPU alone, which is a small download, the same with threads, and one with graphics cards beside the CPU.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, cargoTarget, dist, root } from "./paths.mjs";
import { read, run, SetupError } from "./process.mjs";
import { prepareThreadedWasmTarget, prepareWasmTarget, TARGET } from "./wasm-target.mjs";

const FOLDER = join(dist, "wasm");

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

/** What .cargo/config.toml says, and memory that workers share: JavaScript makes it and gives each of them its own stack. */
const SHARED_MEMORY = [
  "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals",
  ...["--shared-memory", "--import-memory", "--max-memory=4294967296"].map((flag) => `-Clink-arg=${flag}`),
  ...["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base", "__heap_base"].map(
    (name) => `-Clink-arg=--export=${name}`,
  ),
];

const CRATE = ["--locked", "--package", "emberwing-wasm"];

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

/**
 * @param {string} module
 * @param {string} level `-O3` for speed, `-Os` for size
 * @param {string[]} features
 */
async function optimise(module, level, features) {
  const flags = features.map((feature) => `--enable-${feature}`);
  const program = join(root, "node_modules/binaryen/bin/wasm-opt");
  await run(process.execPath, [program, level, ...flags, module, "-o", `${module}.new`]);
  renameSync(`${module}.new`, module);
}

/**
 * Compiles crates/wasm to `dist/wasm/<name>.js` and `<name>_bg.wasm`.
 * @param {string} name
 * @param {{ profile: string, features?: string[], threads?: boolean, level: string }} how cargo's profile and features, whether memory
 *   is shared, wasm-opt's level
 */
async function build(name, { profile, features = [], threads = false, level }) {
  const bindgen = await prepareBindgen();
  const { args, env } = threads ? await prepareThreadedWasmTarget() : await prepareWasmTarget();
  // Added to those of .cargo/config.toml.
  const flags = threads ? ["--config", `target.${TARGET}.rustflags=${JSON.stringify(SHARED_MEMORY)}`] : [];
  await run(
    "cargo",
    ["build", ...args, ...flags, ...CRATE, "--profile", profile, ...features, "--target", TARGET],
    env,
  );
  mkdirSync(FOLDER, { recursive: true });
  const compiled = join(cargoTarget, TARGET, profile, "emberwing_wasm.wasm");
  await run(bindgen, [compiled, "--target", "web", "--out-dir", FOLDER, "--out-name", name]);
  await optimise(join(FOLDER, `${name}_bg.wasm`), level, threads ? [...FEATURES, "threads"] : FEATURES);
}

const INPUTS = [".cargo", "Cargo.toml", "Cargo.lock", "crates/core/src", "crates/core/Cargo.toml", "crates/wasm"];

/** @param {string} name */
const outputs = (name) => [".js", ".d.ts", "_bg.wasm"].map((ending) => `dist/wasm/${name}${ending}`);

/** @type {import("./steps.mjs").Step} */
export const wasm = {
  name: "wasm",
  title: "WebAssembly module",
  rust: true,
  inputs: INPUTS,
  outputs: outputs("emberwing"),
  build: () => build("emberwing", { profile: "wasm", level: "-O3" }),
};

/** @type {import("./steps.mjs").Step} */
export const wasmThreads = {
  name: "wasm-threads",
  title: "WebAssembly module with threads",
  rust: true,
  inputs: INPUTS,
  outputs: outputs("emberwing_threads"),
  build: () => build("emberwing_threads", { profile: "wasm-threads", threads: true, level: "-O3" }),
};

/** @type {import("./steps.mjs").Step} */
export const wasmGpu = {
  name: "wasm-gpu",
  title: "WebAssembly module for graphics cards",
  rust: true,
  inputs: INPUTS,
  outputs: outputs("emberwing_gpu"),
  build: () => build("emberwing_gpu", { profile: "wasm-gpu", features: ["--features", "gpu"], level: "-Os" }),
};
