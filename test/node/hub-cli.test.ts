/** The hub on the command line. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Image } from "emberwing";
import { beforeAll, describe, expect, test } from "vitest";
import { folderWithPictures, run } from "./command-line.js";
import { TOKEN } from "./hub-server.js";
import { hubSession, pathsIn, pipelineFiles, readFolder } from "./hub-session.js";

const session = hubSession();

let folder: string;
let files: Record<string, Uint8Array>;
beforeAll(async () => {
  folder = await folderWithPictures(4, 8);
  files = await pipelineFiles();
});

const SMALL = ["--pretrained-model-name-or-path", "hub:owner/name", "--max-train-steps", "2"];
const SHORT = [...SMALL, "--train-batch-size", "2", "--eval-batch-size", "2", "--ddpm-num-inference-steps", "2"];

test("train takes model and pictures from the hub, and pushes what it learned", async () => {
  session.server.commit("models/owner/name", files);
  session.server.commit("datasets/owner/pictures", await readFolder(join(folder, "pictures")));
  const push = ["--push-to-hub", "--hub-token", TOKEN, "--hub-private-repo"];
  const args = ["train", "--dataset-name", "hub:owner/pictures", ...SHORT, "--output-dir", "pushed", ...push];
  const { code, stdout, stderr } = await run(args, folder);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(new RegExp(`pushed to +${session.server.endpoint}/me/pushed\n`));
  expect(stderr).toMatch(/^hub:me\/pushed: gets the pipeline when the training is done$/m);

  expect(session.server.repos.get("models/me/pushed")?.isPrivate).toBe(true);
  const pushed = session.server.files("models/me/pushed");
  for (const path of ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"]) {
    expect(pushed.get(path)).toEqual(await readFile(join(folder, "pushed", path)));
  }
  expect(Image.decode(pushed.get("samples.png") as Uint8Array, "samples.png").width).toBeGreaterThan(8);
  const card = String(pushed.get("README.md"));
  expect(card).toContain("# pushed\n\nA diffusion model that learned from 4 pictures (hub:owner/pictures, 8 × 8)");
  expect(card).toMatch(/\| Steps \| 2 \|/);
  expect(card).toContain("npx emberwing train --preset quick --dataset-name hub:owner/pictures");
  const report = await readFile(join(folder, "pushed", "report.html"), "utf8");
  for (const text of [card, report, stdout, stderr]) expect(text).not.toContain(TOKEN);
});

test("sample and info take a repository", async () => {
  session.server.commit("models/owner/name", files);
  const sampled = await run(["sample", "--pipeline", "hub:owner/name", "--num-images", "1", "--steps", "2"], folder);
  expect(sampled.code, sampled.stderr).toBe(0);
  const { code, stdout } = await run(["info", "hub:owner/name"], folder);
  expect(code).toBe(0);
  expect(stdout).toMatch(/pipeline +DDPMPipeline/);
});

test("two processes that download the same files do no harm", async () => {
  session.server.commit("models/owner/name", files);
  const outcomes = await Promise.all([1, 2, 3].map(() => run(["info", "hub:owner/name"], folder)));
  expect(outcomes.map(({ code, stderr }) => ({ code, stderr }))).toEqual(outcomes.map(() => ({ code: 0, stderr: "" })));
  const cache = await pathsIn(join(session.home, "hub"));
  expect(cache.filter((path) => /incomplete|locks/.test(path))).toEqual([]);
  const weights = session.server.requests.filter(({ method, host }) => method === "GET" && host === "storage");
  expect(weights).toHaveLength(1);
});

describe("before any training", () => {
  test.each([
    [["--hub-model-id", "me/x"], 2, "--hub-model-id: expected --push-to-hub beside it"],
    [["--hub-private-repo"], 2, "--hub-private-repo: expected --push-to-hub beside it"],
    [["--push-to-hub", "--hub-model-id", "a/b/c"], 2, "--hub-model-id: expected a repository as owner/name"],
    [["--push-to-hub"], 1, "it needs a token that may write: set HF_TOKEN"],
    [["--push-to-hub", "--hub-token", "hf_unknown"], 1, "the token does not allow it"],
  ])("%j ends with %d", async (flags, expected, message) => {
    session.server.commit("models/owner/name", files);
    const data = ["--train-data-dir", "pictures", "--output-dir", "refused"];
    const { code, stderr } = await run(["train", ...data, ...SHORT, ...flags], folder);
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(message) });
    expect(stderr).not.toContain("hf_unknown");
    expect(stderr).not.toContain("training");
  });
});

test("a repository that is missing is one line and exit code 1", async () => {
  const { code, stderr } = await run(["sample", "--pipeline", "hub:owner/none"], folder);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^emberwing: hub:owner\/none: .*\[AccessDenied\]\n$/);
});
