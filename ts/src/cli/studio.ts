/** `emberwing studio`: a page on this machine that shows runs side by side. */
import type { Command } from "commander";
import { checkOutput } from "./output.js";
import { formatTable } from "./table.js";
import { integerFrom } from "./values.js";

const EXAMPLES = `
Examples:
  emberwing studio                    every run in this folder and those below it
  emberwing studio runs old/run-3     those under some folders
  emberwing studio --port 8080        always at the same port

A run is a folder with the metrics.jsonl that \`emberwing train\` writes. The page follows runs that train, and shows new
ones as they begin. Only this machine can open it, and only with the token in the address that is printed; it loads
nothing from elsewhere and writes nothing. Ctrl-C ends it.`;

export function addStudioCommand(program: Command): void {
  program
    .command("studio")
    .description("watch and compare runs in the browser: losses, samples, settings")
    .argument("[folders...]", "where to look for runs (default: here)")
    .option("--port <n>", "on this machine (default: any that is free)", portNumber, 0)
    .addHelpText("after", EXAMPLES)
    .action(studio);
}

const MOST_PORTS = 65_535;
const portNumber = integerFrom(0, MOST_PORTS);

async function studio(folders: string[], { port }: { port: number }): Promise<void> {
  // Not before it is needed: the other commands start as fast as without it.
  const { openStudio } = await import("../studio/server.js");
  const roots = folders.length > 0 ? folders : ["."];
  const { url, found, close } = await openStudio(roots, port);
  const count = found.runs.length;
  process.stdout.write(
    formatTable([
      ["studio", url],
      ["folders", roots.join(", ")],
      ["runs", `${count === 0 ? "none yet" : count}; new ones appear by themselves. Ctrl-C ends the studio.`],
    ]),
  );
  try {
    // Without the address nobody can open it.
    await checkOutput();
    await stopped();
  } finally {
    await close();
  }
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => resolve());
  });
}
