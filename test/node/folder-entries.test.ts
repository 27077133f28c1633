/** What lies in folders besides image files: links, loops, pipes, sockets, devices, hidden names, names that are no text. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataLoader, Image, type LoadDatasetOptions, loadDataset } from "emberwing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "../fixtures.js";

const png = (level: number): Uint8Array => new Image(new Uint8Array(6 * 4 * 3).fill(level), 6, 4, 3).toPNG();

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "emberwing-entries-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: readonly string[]): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const [index, file] of files.entries()) {
    await mkdir(join(path, file, ".."), { recursive: true });
    await writeFile(join(path, file), png(index));
  }
  return path;
}

/** How many images are drawn in an epoch, and what was said meanwhile. */
async function load(path: string, options: LoadDatasetOptions = {}) {
  const warnings: string[] = [];
  const onWarning = (warning: string) => void warnings.push(warning);
  const dataset = await loadDataset(path, { resolution: 4, onWarning, ...options });
  let drawn = 0;
  for await (const batch of new DataLoader(dataset, { batchSize: 2, seed: 0 })) drawn += batch.shape[0] ?? 0;
  expect(drawn).toBe(dataset.length);
  return { length: dataset.length, classes: dataset.classNames, warnings };
}

const strictly = (path: string) => loadDataset(path, { resolution: 4, strict: true, onWarning: () => {} });

test("hidden and system folders and files hold no images and no classes, as in Python's datasets", async () => {
  const hidden = [".git/1.png", ".ipynb_checkpoints/1.png", "__MACOSX/cat/1.png", ".Trash-1000/files/1.png"];
  const path = await folder("hidden", [
    "cat/1.png",
    "dog/2.png",
    "cat/.cache/3.png",
    "cat/._1.png",
    "._x.png",
    ...hidden,
  ]);
  expect(await load(path)).toEqual({ length: 2, classes: [], warnings: [] });
  expect(await load(path, { classLabels: "folder" })).toMatchObject({ length: 2, classes: ["cat", "dog"] });
  // Of files, only a dot hides.
  expect((await load(await folder("underscores", ["__a.png", "b__/c.png"]))).length).toBe(2);
  await expect(load(await folder("only-hidden", [".a.png"]))).rejects.toThrow(/found no files/);
});

test("a hidden folder that is asked for is read", async () => {
  expect((await load(await folder(".named/inside", ["a.png"]))).length).toBe(1);
});

test("endings of formats that are read count in any case, others are named once", async () => {
  const read = ["a.jfif", "b.JPE", "c.Jpeg", "d.PNG", "e.apng", "f.bmp", "g.mpo"];
  const unread = ["h.heic", "i.HEIC", "j.avif", "k.psd", "l.cr2"];
  const path = await folder("endings", [...read, ...unread, "notes.txt", "README"]);
  const { length, warnings } = await load(path);
  expect(length).toBe(read.length);
  expect(warnings).toEqual([expect.stringMatching(/endings: 2 \.heic, 1 \.avif, 1 \.psd, 1 \.cr2: .*not read/)]);
  await expect(strictly(path)).rejects.toThrow(/2 \.heic/);
});

describe.runIf(process.platform !== "win32")("links", () => {
  test("to folders and files are followed, by each of their names", async () => {
    const real = await folder("real", ["cat/1.png", "dog/1.png"]);
    const path = await folder("links", ["own/1.png"]);
    for (const name of ["cat", "dog", "cat again"]) await symlink(join(real, name.slice(0, 3)), join(path, name));
    await symlink("../../real/cat/1.png", join(path, "own", "2.png"));
    await symlink(join(real, "dog"), join(path, "own", "folder.png"));
    const { length, classes, warnings } = await load(path, { classLabels: "folder" });
    expect([length, classes, warnings]).toEqual([6, ["cat", "cat again", "dog", "own"], []]);
    expect((await load(path, { streaming: true })).length).toBe(6);
  });

  test("that lead back end", async () => {
    const path = await folder("loops", ["a/1.png", "b/2.png"]);
    await symlink("..", join(path, "a", "up"));
    await symlink(".", join(path, "self"));
    await symlink("../b", join(path, "a", "b"));
    await symlink("../a", join(path, "b", "a"));
    // a/1, a/b/2, b/2, b/a/1
    expect(await load(path)).toEqual({ length: 4, classes: [], warnings: [] });
  });

  test.each([{}, { streaming: true }])("that lead nowhere are named: %j", async (options) => {
    const path = await folder(`broken ${Object.keys(options)}`, ["a.png"]);
    await symlink("nowhere.png", join(path, "b.png"));
    await symlink("circle.png", join(path, "circle.png"));
    await symlink("/nowhere", join(path, "class"));
    await symlink("nowhere.txt", join(path, "notes.txt"));
    const { length, warnings } = await load(path, options);
    expect(length).toBe(1);
    expect(warnings).toEqual([
      "skipped b.png: it is a link to nothing",
      "skipped circle.png: it is a link that leads to itself",
      "skipped class: it is a link to nothing",
    ]);
    await expect(strictly(path)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringMatching(/b\.png/),
    });
  });
});

describe.runIf(process.platform === "linux")("what is no file", () => {
  test.each([{}, { streaming: true }])("is named and never opened: %j", async (options) => {
    const path = await folder(`special ${Object.keys(options)}`, ["a.png"]);
    execFileSync("mkfifo", [join(path, "pipe.png"), join(path, "pipe")]);
    await symlink("/dev/zero", join(path, "zero.png"));
    await mkdir(join(path, "empty.png"));
    await mkdir(join(path, "empty"));
    const server = createServer().listen(join(path, "socket.png"));
    const { length, warnings } = await load(path, options);
    server.close();
    expect(length).toBe(1);
    expect(warnings).toEqual([
      "skipped empty.png: it is a folder without files",
      "skipped pipe.png: it is a named pipe, not a file",
      "skipped socket.png: it is a socket, not a file",
      "skipped zero.png: it is a device, not a file",
    ]);
    await expect(strictly(path)).rejects.toThrow(/empty\.png: it is a folder without files/);
  });

  test("is refused where it is the source", async () => {
    const path = await folder("sources", []);
    execFileSync("mkfifo", [join(path, "pipe.png"), join(path, "pipe.parquet")]);
    for (const source of [join(path, "pipe.png"), join(path, "pipe.parquet"), "/dev/zero"]) {
      await expect(loadDataset(source, { resolution: 4 })).rejects.toThrow(/neither a file nor a folder/);
    }
    expect((await load(await folder("folder.png", ["a.png"]))).length).toBe(1);
  });

  test("a process that met one ends", async () => {
    const path = await folder("ends", ["a.png"]);
    execFileSync("mkfifo", [join(path, "pipe.png")]);
    const program = `import { loadDataset } from "emberwing"; await loadDataset(${JSON.stringify(path)}, { resolution: 4 }); process.exit(3);`;
    const run = () =>
      execFileSync(process.execPath, ["--input-type=module", "-e", program], { timeout: 30_000, stdio: "pipe" });
    expect(run).toThrow(expect.objectContaining({ status: 3 }));
  });

  test.each([{}, { streaming: true }])("names that are not UTF-8 are read: %j", async (options) => {
    const path = await folder(`latin ${Object.keys(options)}`, ["a.png"]);
    const bytes = (text: string) => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(text, "latin1")]);
    await mkdir(bytes("\xe9t\xe9"));
    await writeFile(bytes("caf\xe9.png"), png(1));
    await writeFile(bytes("\xe9t\xe9/\xff.png"), png(2));
    await writeFile(bytes("bad\xe9.png"), "no image");
    const { warnings } = await load(path, options);
    expect(warnings).toEqual([expect.stringMatching(/^skipped bad(\\xe9|\uFFFD)\.png: /)]);
    await rm(bytes("bad\xe9.png"));
    expect((await load(path, options)).length).toBe(3);
  });
});

test.each([{}, { streaming: true }])(
  "files that cannot be read are named, others are drawn in their place: %j",
  async (options) => {
    const path = await folder(`unreadable ${Object.keys(options)}`, ["a.png", "b.png", "c.png", "huge.png"]);
    await writeFile(join(path, "b.png"), "");
    await truncate(join(path, "huge.png"), 3 * 2 ** 30);
    const warnings: string[] = [];
    const onWarning = (warning: string) => void warnings.push(warning);
    const dataset = await loadDataset(path, { resolution: 4, onWarning, ...options });
    await rm(join(path, "c.png"));
    for (let epoch = 0; epoch < 2; epoch++) for await (const _ of new DataLoader(dataset, { batchSize: 2, seed: 0 }));
    const missing = "streaming" in options ? ["c.png"] : [];
    expect(warnings).toHaveLength(2 + missing.length);
    for (const name of ["b.png: the file is empty", "huge.png", ...missing])
      expect(warnings.join("\n")).toContain(name);
    for (const warning of warnings) expect(warning).toMatch(/^skipped (?!.*\[)/);
  },
);

test.runIf(process.platform === "linux")("folders and files that one may not read are named", async () => {
  const path = await folder("forbidden", ["a.png", "secret.png", "closed/b.png"]);
  await chmod(join(path, "secret.png"), 0);
  await chmod(join(path, "closed"), 0);
  // The superuser may read everything.
  const program = `
    import { readFileSync } from "node:fs";
    import { loadDataset } from "emberwing";
    await loadDataset("butterflies", { resolution: 4, size: 1 });
    if (process.getuid() === 0) process.seteuid(65534);
    const onWarning = (warning) => console.log(warning);
    console.log((await loadDataset(${JSON.stringify(path)}, { resolution: 4, onWarning })).length);`;
  await chmod(root, 0o755);
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  await chmod(join(path, "closed"), 0o755);
  expect(said.trim().split("\n")).toEqual([
    expect.stringMatching(/^skipped closed: .*permission denied/),
    expect.stringMatching(/^skipped .*secret\.png: .*permission denied/),
    "1",
  ]);
});

test("one image is a data set; another file is refused as what it is", async () => {
  const path = await folder("single", ["one.png"]);
  await writeFile(join(path, "notes.txt"), "words");
  expect((await load(join(path, "one.png"))).length).toBe(1);
  expect((await load(join(path, "one.png"), { streaming: true })).length).toBe(1);
  await expect(load(join(path, "notes.txt"))).rejects.toThrow(/notes\.txt: it is a file; expected a folder of images/);
  await expect(load(join(path, "two.png"))).rejects.toThrow(/two\.png: there is no such file/);
});

test("images by wildcards and by their paths", async () => {
  const path = await folder("chosen", ["a/1.png", "a/2.jpg", "b/1.png", "[x].png"]);
  expect((await load(join(path, "*/*.png"))).length).toBe(2);
  expect(await load(join(path, "**/1.png"), { classLabels: "folder" })).toMatchObject({ classes: ["a", "b"] });
  expect((await load(join(path, "[x].png"))).length).toBe(1);
  const two = [join(path, "b/1.png"), join(path, "a/1.png")];
  const dataset = await loadDataset(two, { resolution: 4, classLabels: ["owl", "auk"] });
  expect([dataset.length, dataset.classNames]).toEqual([2, ["auk", "owl"]]);
});

describe.runIf(process.platform === "linux")("the copy of a streamed table", () => {
  /** A process that stops in the middle of copying, where the second row says that its image is missing. */
  async function inCopying(directory: string): Promise<ChildProcess> {
    const table = JSON.stringify(fixturePath("parquet/paths.parquet"));
    const program = `
      import { loadDataset } from "emberwing";
      const onWarning = () => new Promise(() => setInterval(() => console.log("copying"), 100));
      await loadDataset(${table}, { resolution: 4, streaming: true, onWarning });`;
    const options = { env: { ...process.env, TMPDIR: directory } };
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], options);
    await once(child.stdout, "data");
    return child;
  }

  test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)("is gone after %s", async (signal) => {
    const directory = await folder(`copy ${signal}`, []);
    const child = await inCopying(directory);
    child.kill(signal);
    await once(child, "exit");
    expect(await readdir(directory)).toEqual([]);
  });

  test("that a process left behind is swept away by the next one, that of a living one is not", async () => {
    const directory = await folder("sweep", []);
    const [{ pid: gone }, copy] = [spawnSync("true"), (pid: number) => `emberwing-${pid}-${randomUUID()}.images`];
    const kept = [copy(process.pid), "emberwing-1-other.images", `x${copy(gone)}`];
    for (const name of [copy(gone), ...kept]) await writeFile(join(directory, name), "");
    const child = await inCopying(directory);
    child.kill();
    await once(child, "exit");
    expect((await readdir(directory)).sort()).toEqual(kept.sort());
  });
});
