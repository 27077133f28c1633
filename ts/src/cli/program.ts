/** `emberwing train | sample | studio | info`. */
import { Command } from "commander";
import { EXIT_OK, reportFailure } from "./failure.js";
import { addInfoCommand } from "./info.js";
import { checkOutput, watchOutput } from "./output.js";
import { packageVersion } from "./package-version.js";
import { addSampleCommand } from "./sample.js";
import { addStudioCommand } from "./studio.js";
import { addTrainCommand } from "./train.js";

const EXAMPLES = `
Examples:
  emberwing train                                  learn the built-in butterflies, then draw some
  emberwing sample --pipeline emberwing-output     draw more
  emberwing studio                                 watch and compare runs in the browser
  emberwing info emberwing-output                  what is in that folder

emberwing COMMAND --help shows the flags of a command.`;

/** Runs a command line; resolves to the exit code: 0, 1 for a failure, 2 for wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const code = await exitCodeOf(() => buildProgram().parseAsync(args, { from: "user" }));
  // What was asked for is done; that nobody could be told is a failure still.
  return code === EXIT_OK ? exitCodeOf(checkOutput) : code;
}

async function exitCodeOf(work: () => Promise<unknown>): Promise<number> {
  try {
    await work();
    return EXIT_OK;
  } catch (error) {
    return reportFailure(error);
  }
}

/** Commander throws instead of exiting and leaves the printing of errors to `reportFailure`. */
function buildProgram(): Command {
  const program = new Command("emberwing")
    .description("Train diffusion models on pictures, and draw with them.")
    .version(packageVersion(), "--version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText("after", EXAMPLES);
  addTrainCommand(program);
  addSampleCommand(program);
  addStudioCommand(program);
  addInfoCommand(program);
  return program;
}
