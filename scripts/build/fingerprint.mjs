/** Whether a step's result is still the one of its inputs, by content, so that a checkout's file times do not matter. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dist, root } from "./paths.mjs";

/** @param {string} name */
const stampFile = (name) => join(dist, ".stamps", name);

/**
 * The files under a path of the checkout, in a fixed order.
 * @param {string} path
 * @returns {string[]}
 */
function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`));
}

/**
 * @param {string[]} inputs files and folders of the checkout
 * @param {string} tools versions that shape the result as well
 */
export function fingerprint(inputs, tools) {
  const hash = createHash("sha256").update(tools);
  for (const path of inputs.flatMap(filesUnder)) hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  return hash.digest("hex");
}

/**
 * @param {string} name
 * @param {string} print
 * @param {string[]} outputs
 */
export function isUpToDate(name, print, outputs) {
  const stamp = stampFile(name);
  return (
    existsSync(stamp) && readFileSync(stamp, "utf8") === print && outputs.every((path) => existsSync(join(root, path)))
  );
}

/**
 * @param {string} name
 * @param {string} print
 */
export function remember(name, print) {
  const stamp = stampFile(name);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, print);
}
