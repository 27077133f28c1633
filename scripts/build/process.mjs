/** Running other programs. */

import { spawn, spawnSync } from "node:child_process";
import { cargoTarget, root } from "./paths.mjs";

/** A failure that was already explained to the user: no stack trace. */
export class SetupError extends Error {}

/**
 * On Windows npm is a .cmd file, which only a shell can start.
 * @param {string} program
 */
const needsShell = (program) => process.platform === "win32" && program === "npm";

/** @param {NodeJS.ProcessEnv} more */
const environment = (more) => ({ ...process.env, CARGO_TARGET_DIR: cargoTarget, ...more });

/**
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {"inherit" | "pipe"} stdout
 */
function start(program, args, env, stdout) {
  const options = { cwd: root, env: environment(env), shell: needsShell(program) };
  const child = spawn(program, args, { ...options, stdio: ["ignore", stdout, "inherit"] });
  /** @type {Promise<number>} */
  const exitCode = new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new SetupError(`${program} could not be started: ${error.message}`)));
    child.on("close", (code) => resolve(code ?? 1));
  });
  return { child, exitCode };
}

/**
 * Runs a program with its output on ours; rejects when it fails.
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function run(program, args, env = {}) {
  const code = await start(program, args, env, "inherit").exitCode;
  if (code !== 0) throw new SetupError(`${program} failed with exit code ${code}: ${[program, ...args].join(" ")}`);
}

/**
 * Runs a program, shows its standard output and returns it with the exit code.
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export async function runAndRead(program, args, env = {}) {
  const { child, exitCode } = start(program, args, env, "pipe");
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    output += text;
    process.stdout.write(text);
  });
  return { code: await exitCode, output };
}

/**
 * The standard output of a program, or undefined where it is missing or fails.
 * @param {string} program
 * @param {string[]} args
 */
export function read(program, args) {
  const options = { cwd: root, env: environment({}), shell: needsShell(program) };
  const result = spawnSync(program, args, { ...options, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/**
 * Runs a script's work; a failure that needs no stack trace is printed and becomes the exit code.
 * @param {() => Promise<void>} work
 */
export async function explained(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SetupError) && !isUsageError(error)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/**
 * A misspelt flag, as `parseArgs` reports it.
 * @param {unknown} error
 * @returns {error is Error}
 */
const isUsageError = (error) =>
  error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
