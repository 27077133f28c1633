/** Standard output and standard error where nobody takes what is written: a full disk, a terminal that is gone. */
import { isatty } from "node:tty";
import type { EmberwingError } from "../errors.js";
import { writeFailed } from "../platform/node-files.js";

const terminals = [0, 1, 2].filter(isatty);

const streams = { "standard output": process.stdout, "standard error": process.stderr };

/** The first failure of each. */
const failures = new Map<string, EmberwingError>();

/**
 * From now on a text that cannot be written no longer ends the process in the middle of its work: a run goes on, and
 * its result stays. A reader that has seen enough (`| head`) is no failure.
 */
export function watchOutput(): void {
  for (const [name, stream] of Object.entries(streams)) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE" && !failures.has(name)) failures.set(name, writeFailed(name, error));
    });
  }
}

/** Waits for what was written; throws the first failure up to now. */
export async function checkOutput(): Promise<void> {
  for (const stream of Object.values(streams)) await new Promise<void>((done) => stream.write("", () => done()));
  // The streams tell of a failure only after they have called back.
  await new Promise(setImmediate);
  for (const failure of failures.values()) throw failure;
}

/** Node aborts where it ends by itself and cannot give such a terminal its settings back. */
export function terminalIsGone(): boolean {
  return !terminals.every(isatty);
}

/** What a user should know of, on standard error. */
export function warn(text: string): void {
  process.stderr.write(`warning: ${text}\n`);
}
