/** What ends a command from outside: signals, and output that nobody takes. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DDPMPipeline } from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, type Outcome, run, start } from "./command-line.js";

const CLI = fileURLToPath(new URL("../../dist/cli.mjs", import.meta.url));
const TINY = [
  ...[
    "train",
    "--train-data-dir",
    "pictures",
    "--resolution",
    "8",
    "--train-batch-size",
    "2",
    "--eval-batch-size",
    "2",
  ],
  ...["--ddpm-num-inference-steps", "2"],
];
const ENDLESS = [...TINY, "--max-train-steps", "100000", "--checkpointing-steps", "100000"];

let folder: string;
beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
  const { code, stderr } = await run([...TINY, "--num-epochs", "1", "--output-dir", "run"], folder);
  expect(code, stderr).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

/** The command as `"$@"` of a shell's line. */
function inShell(line: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn("sh", ["-c", line, "sh", process.execPath, CLI, ...args], { cwd: folder });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...output })));
}

const checkpointsIn = async (output: string): Promise<string[]> =>
  (await readdir(join(folder, output))).filter((name) => name.startsWith("checkpoint-"));

describe.skipIf(process.platform === "win32")("signals", () => {
  test.each(["SIGHUP", "SIGTERM", "SIGINT"] as const)("%s saves checkpoint and pipeline", async (signal) => {
    const endless = start([...ENDLESS, "--output-dir", signal], folder);
    await endless.says(/^training \d+\/100000/m);
    endless.process.kill(signal);
    const { code, stderr } = await endless.outcome;
    expect(stderr).toContain("stopping after this step");
    expect(code).toBe(0);
    expect(await checkpointsIn(signal)).toHaveLength(1);
    using unet = (await DDPMPipeline.fromPretrained(join(folder, signal))).unet;
    expect(unet.countParameters()).toBeGreaterThan(0);
  });

  test.skipIf(process.platform !== "linux")("a hang-up that is ignored ends nothing", async () => {
    const steps = 40;
    // The shell is the command's parent, as it is in a script that was started by nohup.
    const line = `trap '' HUP; "$@" & sleep 1; kill -HUP $!; wait $!`;
    const { code, stderr } = await inShell(line, [...TINY, "--max-train-steps", `${steps}`, "--output-dir", "nohup"]);
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain("stopping");
    expect((await readFile(join(folder, "nohup/metrics.jsonl"), "utf8")).match(/\n/g)).toHaveLength(steps);
  });
});

describe.skipIf(!existsSync("/dev/full"))("output on a full disk", () => {
  const FULL = "emberwing: standard output: cannot be written (the disk is full) [WriteFailed]";
  const commands: [string, string[]][] = [
    ["train", [...TINY, "--num-epochs", "1", "--output-dir", "full"]],
    ["sample", ["sample", "--pipeline", "run", "--num-images", "1", "--steps", "2"]],
    ["info", ["info", "run"]],
    ["studio", ["studio", "run"]],
    ["help", ["--help"]],
  ];
  test.each(commands)("%s ends with one line", async (_, args) => {
    const { code, stderr } = await inShell(`exec "$@" > /dev/full`, args);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(FULL);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("leaves the result of the run", async () => {
    const { code, stdout } = await inShell(`exec "$@" 2> /dev/full`, [
      ...[...TINY, "--num-epochs", "1", "--output-dir", "quiet"],
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain("quiet/samples.png");
    using unet = (await DDPMPipeline.fromPretrained(join(folder, "quiet"))).unet;
    expect(unet.countParameters()).toBeGreaterThan(0);
  });

  test("a reader that leaves and an output that is closed are none", async () => {
    expect((await inShell(`exec "$@" >&-`, ["info", "run"])).code).toBe(0);
    expect(await inShell(`"$@" | true; sleep 1`, ["info", "run"])).toMatchObject({ code: 0, stderr: "" });
  });
});

/** A disk of 400 kB; undefined where this user cannot mount one. */
function smallDisk(path: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400k", "tmpfs", path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("an output folder on a full disk", () => {
  test("ends the run with an error, and holds nothing that is half written", async ({ skip }) => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    if (!smallDisk(disk)) skip("no file system can be mounted here");
    try {
      const { code, stderr } = await run(
        [...TINY, "--max-train-steps", "60", "--checkpointing-steps", "1", "--output-dir", "disk"],
        folder,
      );
      expect(code).toBe(1);
      expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/^emberwing: disk\/.*the disk is full\).* \[WriteFailed\]$/);
      const left = await readdir(disk, { recursive: true });
      expect(left.filter((name) => /(^|\/)\..*\.(tmp|old)/.test(name))).toEqual([]);
      const metrics = await readFile(join(disk, "metrics.jsonl"), "utf8");
      expect(metrics).toMatch(/^(\{.*\}\n)*$/);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});
