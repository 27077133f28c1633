/** What must be on the machine before anything is built: Node, Rust, a C linker. */

import { read, SetupError } from "./process.mjs";

const NODE = "20.19";
const RUST = "1.95";

/**
 * @param {string} found
 * @param {string} wanted
 */
export function atLeast(found, wanted) {
  const [major = 0, minor = 0] = found.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** @returns {string | undefined} */
function missingNode() {
  const found = process.versions.node;
  if (atLeast(found, NODE)) return undefined;
  return `Node ${NODE} or newer is needed; this is ${found}. Get it from https://nodejs.org.`;
}

/** @returns {string | undefined} */
function missingRust() {
  const found = read("rustc", ["--version"])?.split(" ")[1];
  if (found && atLeast(found, RUST)) return read("cargo", ["--version"]) ? undefined : "cargo is missing beside rustc.";
  const advice = read("rustup", ["--version"]) ? "Run: rustup update stable" : "Get it from https://rustup.rs.";
  return `Rust ${RUST} or newer is needed; ${found ? `this is ${found}` : "rustc was not found"}. ${advice}`;
}

/** @returns {string | undefined} */
function missingLinker() {
  if (process.platform === "win32" || read("cc", ["--version"])) return undefined;
  const advice =
    process.platform === "darwin"
      ? "Run: xcode-select --install"
      : "On Debian or Ubuntu: apt-get install gcc libc6-dev";
  return `A C linker (the command cc) is needed and was not found. ${advice}`;
}

/** @param {{ rust: boolean }} needs */
export function checkRequirements({ rust }) {
  const missing = [missingNode(), ...(rust ? [missingRust(), missingLinker()] : [])].filter((message) => message);
  if (missing.length > 0) throw new SetupError(missing.join("\n"));
}
