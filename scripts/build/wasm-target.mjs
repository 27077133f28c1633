/**
 * The standard library for wasm32-unknown-unknown: rustup's, or compiled from Debian's sources where rustup is not there. Rustup's
 * knows no threads, and is compiled from its sources for them.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { canInstallPackages, installPackages } from "./debian.mjs";
import { read, run, SetupError } from "./process.mjs";

export const TARGET = "wasm32-unknown-unknown";

/** Debian's compiler for the web, its standard library's sources, and a linker that knows wasm. */
const DEBIAN_PACKAGES = ["rustc-web", "cargo-web", "rust-web-src"];

/** How cargo is called for wasm: with which arguments before, and in which environment. */
/** @typedef {{ args: string[], env: NodeJS.ProcessEnv }} WasmCargo */

/** @returns {boolean} */
function targetInstalled() {
  const libraries = read("rustc", ["--print", "target-libdir", "--target", TARGET]);
  return libraries !== undefined && existsSync(libraries) && readdirSync(libraries).length > 0;
}

/** @returns {Promise<WasmCargo>} */
export function prepareWasmTarget() {
  const what = `Rust's standard library for ${TARGET}`;
  return prepare(what, targetInstalled, ["target", "add", TARGET], { args: [], env: {} });
}

/**
 * For code whose memory is shared between workers (`rustflags`), the standard library too: so says the linker.
 * @returns {Promise<WasmCargo>}
 */
export function prepareThreadedWasmTarget() {
  const what = "The source code of Rust's standard library";
  return prepare(what, sourcesInstalled, ["component", "add", "rust-src"], withOwnStandardLibrary({}));
}

/**
 * @param {string} what
 * @param {() => boolean} installed
 * @param {string[]} rustup how rustup adds it
 * @param {WasmCargo} cargo how cargo is called with it; Debian's is called otherwise
 * @returns {Promise<WasmCargo>}
 */
async function prepare(what, installed, rustup, cargo) {
  if (!installed() && read("rustup", ["--version"])) {
    await run("rustup", rustup).catch(() => console.log(`rustup ${rustup.join(" ")} did not work`));
  }
  if (installed()) return cargo;
  if (canInstallPackages()) return prepareDebianToolchain();
  throw new SetupError(
    `${what} is needed. Run: rustup ${rustup.join(" ")}\n` +
      `(On Debian without rustup, as root: apt-get install ${DEBIAN_PACKAGES.join(" ")} lld)`,
  );
}

/**
 * With the linker that rustup's compiler has and Debian's has not.
 * @returns {boolean}
 */
function sourcesInstalled() {
  const libraries = read("rustc", ["--print", "target-libdir"]);
  if (libraries === undefined) return false;
  const linker = join(libraries, "../bin", process.platform === "win32" ? "rust-lld.exe" : "rust-lld");
  return existsSync(linker) && existsSync(join(libraries, "../../src/rust/library/Cargo.lock"));
}

/**
 * That cargo compiles the standard library is not among what a stable compiler does without being told.
 * @param {NodeJS.ProcessEnv} env
 * @returns {WasmCargo}
 */
function withOwnStandardLibrary(env) {
  return { args: ["-Zbuild-std=std,panic_abort"], env: { RUSTC_BOOTSTRAP: "1", ...env } };
}

/** @returns {Promise<WasmCargo>} */
async function prepareDebianToolchain() {
  if (!wasmLinker() || !read("dpkg", ["-s", ...DEBIAN_PACKAGES])) {
    await installPackages(() => [...DEBIAN_PACKAGES, newestLld()]);
  }
  const linker = wasmLinker();
  if (!linker) throw new SetupError("apt-get installed no wasm-ld; install a package lld-<version> by hand.");
  return withOwnStandardLibrary({
    PATH: `/usr/bin:${process.env.PATH}`,
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: linker,
  });
}

/** @returns {string | undefined} */
function wasmLinker() {
  const linkers = readdirSync("/usr/bin").filter((name) => /^wasm-ld(-\d+)?$/.test(name));
  return linkers.sort(byVersion).at(-1);
}

/** @returns {string} */
function newestLld() {
  const names = (read("apt-cache", ["search", "--names-only", "^lld-[0-9]+$"]) ?? "")
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "");
  return (
    names
      .filter((name) => name)
      .sort(byVersion)
      .at(-1) ?? "lld"
  );
}

/**
 * @param {string} a
 * @param {string} b
 */
function byVersion(a, b) {
  return Number(a.replace(/\D/g, "")) - Number(b.replace(/\D/g, ""));
}
