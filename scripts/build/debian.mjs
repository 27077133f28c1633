/** Debian's packages, where they can be installed without a question. */

import { read, run } from "./process.mjs";

/** @returns {boolean} */
export function canInstallPackages() {
  return read("apt-get", ["--version"]) !== undefined && process.getuid?.() === 0;
}

/**
 * @param {() => string[]} packages asked for again where the lists of packages were old or missing
 * @param {string[]} [options]
 */
export async function installPackages(packages, options = []) {
  const install = () => run("apt-get", ["install", "-y", ...options, ...packages()]);
  await install().catch(() => run("apt-get", ["update"]).then(install));
}
