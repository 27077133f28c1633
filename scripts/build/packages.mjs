/** The npm packages of package-lock.json. */

import { run } from "./process.mjs";

/** @type {import("./steps.mjs").Step} */
export const packages = {
  name: "npm",
  title: "npm packages",
  rust: false,
  inputs: ["package-lock.json"],
  outputs: ["node_modules/.package-lock.json"],
  build: () => run("npm", ["ci", "--no-audit", "--no-fund"]),
};
