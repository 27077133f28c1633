/** Runs the built `emberwing` command in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Generator, imagesFromTensor } from "emberwing";

const CLI = fileURLToPath(new URL("../../dist/cli.mjs", import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  process: ChildProcess;
  outcome: Promise<Outcome>;
  /** Resolves once standard error matches. */
  says(pattern: RegExp): Promise<void>;
  /** Resolves to what standard output has that matches. */
  prints(pattern: RegExp): Promise<string>;
}

/** @param nodeOptions Of Node itself, such as limits of its heap. */
export function start(args: readonly string[], cwd: string, nodeOptions: readonly string[] = []): Running {
  const child = spawn(process.execPath, [...nodeOptions, CLI, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...output }));
  });
  const waitFor = async (stream: "stdout" | "stderr", pattern: RegExp): Promise<string> => {
    for (;;) {
      const [found] = pattern.exec(output[stream]) ?? [];
      if (found !== undefined) return found;
      if (child.exitCode !== null) throw new Error(`the command ended without saying ${pattern}:\n${output.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const says = async (pattern: RegExp): Promise<void> => void (await waitFor("stderr", pattern));
  const prints = (pattern: RegExp): Promise<string> => waitFor("stdout", pattern);
  return { process: child, outcome, says, prints };
}

export function run(args: readonly string[], cwd: string): Promise<Outcome> {
  return start(args, cwd).outcome;
}

/** A new folder with `count` pictures of noise in `pictures/`, the same ones every time. */
export async function folderWithPictures(count: number, size: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "emberwing-cli-"));
  const images = imagesFromTensor(new Generator(0).rand([count, 3, size, size]));
  for (const [index, image] of images.entries()) await image.save(join(folder, "pictures", `${index}.png`));
  await writeFile(join(folder, "a-file"), "");
  return folder;
}
