/** Where things lie: the checkout, what is built into it, and the cache outside it that a second clone shares. */

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const env = process.env;

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const dist = join(root, "dist");

/** `EMBERWING_CACHE`, else a folder of ours in the user's cache. */
export const cache = env.EMBERWING_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "emberwing");

/** Compiled Rust. Outside the checkout, so that a fresh clone does not compile burn again. */
export const cargoTarget = resolve(root, env.CARGO_TARGET_DIR || join(cache, "target"));
