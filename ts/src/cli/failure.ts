/** How the command line ends: one line about what went wrong, and the exit code. */
import { CommanderError } from "commander";
import { EmberwingError } from "../errors.js";

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** Flags that were understood one by one but cannot work: wrong together, or for this model. */
export function usageError(message: string): EmberwingError {
  return new EmberwingError("Usage", message);
}

/** Prints what went wrong and says with which code to exit. Help and version are no errors. */
export function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) return reportCommanderError(error);
  const code = error instanceof Error && "code" in error ? ` [${String(error.code)}]` : "";
  printLine(`${error instanceof Error ? error.message : String(error)}${code}`);
  return error instanceof EmberwingError && error.code === "Usage" ? EXIT_USAGE : EXIT_FAILURE;
}

/** Commander has printed help and version already; its errors start with "error: ". */
function reportCommanderError(error: CommanderError): number {
  if (error.exitCode === 0) return EXIT_OK;
  if (error.code !== "commander.help") printLine(`${error.message.replace(/^error: /, "")} [Usage]`);
  return EXIT_USAGE;
}

function printLine(message: string): void {
  process.stderr.write(`emberwing: ${message.replace(/\s*\n\s*/g, " ")}\n`);
}
