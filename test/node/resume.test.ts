/** Runs that are killed, stopped, starved of disk or started twice; each goes on as if nothing had happened. */
import { spawnSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { UNet2DModel } from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, type Outcome, type Running, run, start } from "./command-line.js";

const STEPS = 40;
const RECIPE = [
  ...["--train-data-dir", "pictures", "--model-config-name-or-path", "small", "--resolution", "8", "--seed", "3"],
  ...["--train-batch-size", "2", "--max-train-steps", String(STEPS), "--checkpointing-steps", "5"],
  ...["--lr-scheduler", "cosine", "--lr-warmup-steps", "4", "--use-ema", "--max-grad-norm", "1"],
  ...["--gradient-accumulation-steps", "2", "--noise-offset", "0.1", "--save-images-epochs", "4"],
  ...["--eval-batch-size", "2", "--ddpm-num-inference-steps", "2"],
];

let folder: string;
beforeAll(async () => {
  // Eleven pictures: an epoch is five full batches and a rest, three optimizer steps.
  folder = await folderWithPictures(11, 9);
  using small = await UNet2DModel.create({
    ...{ sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 8], normNumGroups: 4, dropout: 0.1 },
    ...{ downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"], upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"] },
  });
  await small.savePretrained(join(folder, "small"));
});
afterAll(() => rm(folder, { recursive: true }));

const command = (output: string, ...more: string[]): string[] => ["train", ...RECIPE, "--output-dir", output, ...more];
const resume = (output: string, ...more: string[]): Promise<Outcome> =>
  run(command(output, "--resume-from-checkpoint", "latest", ...more), folder);

interface Result {
  metrics: Record<string, number>[];
  weights: Buffer[];
  previews: Buffer[];
}

/** Everything about a finished run that must not depend on what it went through. */
async function resultOf(output: string): Promise<Result> {
  const read = (name: string) => readFile(join(folder, output, name));
  const lines = String(await read("metrics.jsonl"))
    .trim()
    .split("\n");
  const metrics = lines.map((line) => {
    const { imagesPerSecond, seconds, ...rest } = JSON.parse(line);
    return rest;
  });
  const files = [`checkpoint-${STEPS}/unet`, `checkpoint-${STEPS}/unet_ema`, "unet"].map((name) =>
    read(`${name}/diffusion_pytorch_model.safetensors`),
  );
  const names = (await readdir(join(folder, output, "samples"))).sort();
  const previews = names.map((name) => read(join("samples", name)));
  return { metrics, weights: await Promise.all(files), previews: await Promise.all(previews) };
}

function expectSame(result: Result, whole: Result): void {
  expect(result.metrics).toEqual(whole.metrics);
  expect(result.weights.map((bytes, index) => bytes.equals(whole.weights[index] as Buffer))).toEqual([
    true,
    true,
    true,
  ]);
  expect(result.previews.map((bytes, index) => bytes.equals(whole.previews[index] as Buffer))).toEqual(
    whole.previews.map(() => true),
  );
}

/** Kills the run as soon as `due` says so; false where it was faster. */
async function killWhen(running: Running, due: () => Promise<boolean>): Promise<boolean> {
  const { process: child } = running;
  while (child.exitCode === null) {
    if (await due()) {
      child.kill("SIGKILL");
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { code } = await running.outcome;
  return code === null;
}

const stepsDone = async (output: string): Promise<number> => {
  const text = await readFile(join(folder, output, "metrics.jsonl"), "utf8").catch(() => "");
  return text.split("\n").length - 1;
};

describe("a run", () => {
  let whole: Result;
  beforeAll(async () => {
    const { code, stderr } = await run(command("whole"), folder);
    expect(code, stderr).toBe(0);
    whole = await resultOf("whole");
    expect(whole.metrics).toHaveLength(STEPS);
  });

  test("that is killed again and again", { timeout: 120_000 }, async () => {
    let kills = 0;
    for (const steps of [2, 7, 13, 14, 22, 29, 36]) {
      const running = start(command("killed", "--resume-from-checkpoint", "latest"), folder);
      if (await killWhen(running, async () => (await stepsDone("killed")) >= steps)) kills++;
    }
    expect(kills).toBeGreaterThan(3);
    const { code, stderr } = await resume("killed");
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^going on from killed\/checkpoint-\d+$/m);
    expectSame(await resultOf("killed"), whole);
    const report = await readFile(join(folder, "killed/report.html"), "utf8");
    expect(report).not.toContain("Stopped before");
  });

  test.each([5, 10, 20])("that is killed while it writes checkpoint %i", async (step) => {
    const output = `killed-writing-${step}`;
    const unfinished = join(folder, output, `.checkpoint-${step}.tmp`);
    const begun = () =>
      stat(unfinished).then(
        () => true,
        () => false,
      );
    expect(await killWhen(start(command(output), folder), begun)).toBe(true);
    const { code, stderr } = await resume(output);
    expect(code, stderr).toBe(0);
    expectSame(await resultOf(output), whole);
    expect((await readdir(join(folder, output))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test.each([
    ["the newest file", 0],
    ["the second newest file", 1],
    ["the third newest file", 2],
    ["the fourth newest file", 3],
  ])("that is killed, with %s cut short by a power failure", async (_, age) => {
    const output = `cut-${age}`;
    await killWhen(start(command(output), folder), async () => (await stepsDone(output)) >= 18);
    const file = (await byAge(join(folder, output)))[age] as string;
    await truncate(file, Math.floor((await stat(file)).size / 2));
    const { code, stderr } = await resume(output);
    expect(code, `${file}: ${stderr}`).toBe(0);
    expectSame(await resultOf(output), whole);
  });

  test("whose log was lost but for the checkpoint", async () => {
    await killWhen(start(command("unlogged"), folder), async () => (await stepsDone("unlogged")) >= 12);
    await truncate(join(folder, "unlogged/metrics.jsonl"), 50);
    await resume("unlogged");
    expectSame(await resultOf("unlogged"), whole);
  });

  test("that Ctrl-C stops leaves a checkpoint of its last step and goes on from it", async () => {
    const running = start(command("stopped", "--checkpointing-steps", "1000"), folder);
    while ((await stepsDone("stopped")) < 6) await new Promise((resolve) => setTimeout(resolve, 1));
    running.process.kill("SIGINT");
    const { code, stderr } = await running.outcome;
    expect(code, stderr).toBe(0);
    const done = await stepsDone("stopped");
    const names = await readdir(join(folder, "stopped"));
    expect(names.filter((name) => name.startsWith("checkpoint-"))).toEqual([`checkpoint-${done}`]);
    expect(names).not.toContain(".emberwing.lock");
    await resume("stopped");
    expectSame(await resultOf("stopped"), whole);
  });

  test("with a limit keeps the newest checkpoints", async () => {
    const { code } = await run(command("limited", "--checkpoints-total-limit", "2"), folder);
    expect(code).toBe(0);
    const names = await readdir(join(folder, "limited"));
    expect(names.filter((name) => name.startsWith("checkpoint-")).sort()).toEqual(["checkpoint-35", "checkpoint-40"]);
    expectSame(await resultOf("limited"), whole);
  });
});

/** Files of a folder, the newest first. */
async function byAge(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(".lock"));
  const paths = files.map((file) => join(file.parentPath, file.name));
  const ages = await Promise.all(paths.map(async (path) => ({ path, time: (await stat(path)).mtimeMs })));
  return ages.sort((a, b) => b.time - a.time).map(({ path }) => path);
}

test("a second run in the same folder is refused while the first goes on", async () => {
  const first = start(command("shared", "--max-train-steps", "100000"), folder);
  while ((await stepsDone("shared")) < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  const second = await run(command("shared"), folder);
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(
    new RegExp(`^emberwing: shared: another run writes there \\(process ${first.process.pid} .*\\[InUse\\]\n$`),
  );
  const before = await stepsDone("shared");
  first.process.kill("SIGKILL");
  await first.outcome;
  expect(before).toBeGreaterThan(0);
  const third = await run(command("shared", "--max-train-steps", "1"), folder);
  expect(third.code, third.stderr).toBe(0);
});

test("a new run says where it put the checkpoints of the run before", async () => {
  await run(command("again", "--max-train-steps", "5"), folder);
  const { stderr } = await run(command("again", "--max-train-steps", "5"), folder);
  expect(stderr).toContain("warning: the checkpoints of an earlier run are now in again/earlier");
  expect(await readdir(join(folder, "again/earlier"))).toEqual(["checkpoint-5"]);
});

test("a checkpoint that was asked for by name and is not there is an error", async () => {
  const { code, stderr } = await run(command("named", "--resume-from-checkpoint", "checkpoint-3"), folder);
  expect(code).toBe(1);
  expect(stderr).toMatch(/checkpoint-3.*\[MissingFile\]/);
});

/** A file system of a few hundred kilobytes, in a name space of its own. */
const small = (kilobytes: number): string => `mount -t tmpfs -o size=${kilobytes}k none full && exec "$@"`;
const unshare = spawnSync("unshare", ["-Urm", "true"]);
const noDisk = unshare.status === 0 ? "" : "no right to mount a small disk here (unshare -Urm)";
if (noDisk) console.warn(`skipped: ${noDisk}`);

test("a disk that fills up ends the run with one line, and the last checkpoint whole", async ({ skip }) => {
  if (noDisk) skip(noDisk);
  await mkdir(join(folder, "full"));
  const cli = join(import.meta.dirname, "../../dist/cli.mjs");
  const args = command("full/run", "--max-train-steps", "1000", "--checkpoints-total-limit", "1");
  const shell = `${small(1500)}; status=$?`.replace("exec ", "");
  const keep = `${shell}; cp -r full/run rescued; exit $status`;
  const child = spawnSync("unshare", ["-Urm", "sh", "-c", keep, "sh", process.execPath, cli, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(child.stderr).toMatch(
    /emberwing: .*cannot be written \(the disk is full\); the last whole checkpoint is .*\[WriteFailed\]/,
  );
  expect(child.status).toBe(1);
  const names = await readdir(join(folder, "rescued"));
  const [checkpoint] = names.filter((name) => name.startsWith("checkpoint-"));
  expect(checkpoint).toBeDefined();
  await cp(join(folder, "rescued"), join(folder, "freed"), { recursive: true });
  const { code, stderr } = await resume("freed", "--max-train-steps", "60");
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(`going on from freed/${checkpoint}`);
});
