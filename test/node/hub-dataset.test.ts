/** Data sets from a hub: which files are taken of what lies there. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type EmberwingError, Generator, imagesFromTensor, loadDataset } from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath } from "../fixtures.js";
import { TOKEN } from "./hub-server.js";
import { hubSession, pathsIn } from "./hub-session.js";

const session = hubSession();
const SOURCE = "hub:owner/pictures";
const REPO = "datasets/owner/pictures";
const OPTIONS = { resolution: 8, onWarning: () => undefined };

const pictures = imagesFromTensor(new Generator(0).rand([6, 3, 8, 8])).map((image) => image.toPNG());
const picture = (index: number): Uint8Array => pictures[index] as Uint8Array;
const parquet = readFileSync(fixturePath("parquet/structs.parquet"));

const downloaded = async (): Promise<string[]> => {
  const paths = await pathsIn(join(session.home, "hub", "datasets--owner--pictures"));
  const inSnapshot = paths.filter((path) => path.startsWith("snapshots/"));
  return inSnapshot.map((path) => path.split("/").slice(2).join("/"));
};

describe("pictures", () => {
  test("in folders, with the folders as classes", async () => {
    session.server.commit(REPO, { "README.md": "#", "cats/0.png": picture(0), "dogs/1.png": picture(1) });
    const dataset = await loadDataset(SOURCE, { ...OPTIONS, classLabels: "folder" });
    expect(dataset.length).toBe(2);
    expect(dataset.classNames).toEqual(["cats", "dogs"]);
    expect(await downloaded()).toEqual(["cats/0.png", "dogs/1.png"]);
  });

  test("of the training split alone, and it is said", async () => {
    const names = ["test/a.png", "train/b.png", "train/c.png", "validation/d.png"];
    session.server.commit(REPO, Object.fromEntries(names.map((name, index) => [name, picture(index)])));
    const said: string[] = [];
    const dataset = await loadDataset(SOURCE, { ...OPTIONS, onWarning: (text) => said.push(text) });
    expect(dataset.length).toBe(2);
    expect(await downloaded()).toEqual(["train/b.png", "train/c.png"]);
    expect(said).toEqual(["hub:owner/pictures: takes the 2 files of the training split, of 4"]);
  });

  test("whose names speak of no split are all taken", async () => {
    session.server.commit(REPO, {
      "contest/a.png": picture(0),
      "latest.png": picture(1),
      "constrained.png": picture(2),
    });
    expect((await loadDataset(SOURCE, OPTIONS)).length).toBe(3);
  });
});

describe("Parquet files", () => {
  test("one after the other", async () => {
    session.server.commit(REPO, {
      "data/train-00000-of-00002.parquet": parquet,
      "data/train-00001-of-00002.parquet": parquet,
      "data/test-00000-of-00001.parquet": parquet,
      "preview.png": picture(0),
    });
    const one = await loadDataset(fixturePath("parquet/structs.parquet"), OPTIONS);
    const dataset = await loadDataset(SOURCE, OPTIONS);
    expect(dataset.length).toBe(2 * one.length);
    expect(await downloaded()).toEqual(["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]);
  });

  test("a column belongs to them alone", async () => {
    session.server.commit(REPO, { "a.png": picture(0) });
    const loading = loadDataset(SOURCE, { ...OPTIONS, imageColumn: "image" });
    await expect(loading).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

test("a private one takes a token, a revision and tells how far it is", async () => {
  const commit = session.server.commit(REPO, { "a.png": picture(0) }, { isPrivate: true });
  session.server.commit(REPO, { "b.png": picture(1) });
  const files = new Set<string>();
  const options = { ...OPTIONS, token: TOKEN, onProgress: ({ file }: { file: string }) => files.add(file) };
  expect((await loadDataset(SOURCE, { ...options, revision: commit })).length).toBe(1);
  expect([...files]).toEqual(["a.png"]);
  expect((await loadDataset(SOURCE, options)).length).toBe(2);
  const error = await loadDataset(SOURCE, OPTIONS).catch((reason: EmberwingError) => reason);
  expect(error).toMatchObject({ code: "AccessDenied" });
});

test("without a network, what the cache has is taken, and it is said", async () => {
  session.server.commit(REPO, { "a.png": picture(0), "b.png": picture(1) });
  await loadDataset(SOURCE, OPTIONS);
  process.env.HF_HUB_OFFLINE = "1";
  const said: string[] = [];
  expect((await loadDataset(SOURCE, { ...OPTIONS, onWarning: (text) => said.push(text) })).length).toBe(2);
  const note = "(the cache alone: HF_HUB_OFFLINE is set)";
  expect(said).toEqual([`hub:owner/pictures ${note}: takes the 2 files that are there`]);
});

test.each([
  [{ "a.txt": "" }, /expected Parquet files or pictures, found .*a\.txt/],
  [{ "test/a.png": "" }, /expected a training split, found only test\/a\.png/],
])("%j holds nothing to train on", async (files, message) => {
  session.server.commit(REPO, files);
  const error = await loadDataset(SOURCE, OPTIONS).catch((reason: EmberwingError) => reason);
  expect(error).toMatchObject({ code: "MissingFile", message: expect.stringMatching(message) });
});

test("a picture that fails ends the others", async () => {
  const names = Array.from({ length: 40 }, (_, index) => `${String(index).padStart(2, "0")}.png`);
  session.server.commit(REPO, Object.fromEntries(names.map((name, index) => [name, `${index}`])));
  session.server.fail(/HEAD .*00\.png/, { status: 403 });
  await expect(loadDataset(SOURCE, OPTIONS)).rejects.toMatchObject({ code: "AccessDenied" });
  expect((await downloaded()).length).toBeLessThan(20);
});

test("revision and token are for the hub alone", async () => {
  for (const options of [{ revision: "main" }, { token: TOKEN }]) {
    await expect(loadDataset("butterflies", options)).rejects.toMatchObject({ code: "InvalidConfig" });
  }
});
