/** Paths in a page: `directoryFiles` over its own file system. The shared tests run on it; here is what is its own. */
import { directoryFiles, loadDataset } from "emberwing";
import { beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../../ts/src/platform/files.js";
import { root } from "./page-files.js";

const bytes = (text: string) => new TextEncoder().encode(text);

let files: Files;
beforeEach(async () => {
  files = directoryFiles(await root.getDirectoryHandle(crypto.randomUUID(), { create: true }));
});

describe("directoryFiles", () => {
  test("reads what it wrote, wholly and in parts", async () => {
    await files.write("/a/b/c.txt", "first");
    await files.write("a/./x/../b/c.txt", bytes("hello"));
    expect(await files.read("a/b/c.txt")).toEqual(bytes("hello"));
    const file = await files.open("a/b/c.txt");
    expect([file.byteLength, new Uint8Array(await file.slice(1, 3))]).toEqual([5, bytes("el")]);
    await file.close();
  });

  test("lists files and folders, sorted; of what is not there, nothing", async () => {
    for (const path of ["b.txt", "a/z.txt", "a/y/x.txt"]) await files.write(path, "");
    expect(await files.list("", { recursive: true })).toEqual(["a/y/x.txt", "a/z.txt", "b.txt"]);
    expect(await files.list("", { recursive: false })).toEqual(["b.txt"]);
    expect(await files.listFolders("a")).toEqual(["y"]);
    expect([await files.list("none", { recursive: true }), await files.listFolders("none")]).toEqual([undefined, []]);
  });

  test("moves a folder in place of another, with everything in it", async () => {
    await files.write("new/deep/file", "new");
    await files.write("old/other", "old");
    await files.moveFolder("new", "old");
    expect(await files.list("", { recursive: true })).toEqual(["old/deep/file"]);
  });

  test("a folder that is not there is not moved, and nothing is lost", async () => {
    await files.write("old/file", "old");
    await expect(files.moveFolder("none", "old")).rejects.toMatchObject({ code: "WriteFailed" });
    expect(await files.list("old", { recursive: true })).toEqual(["file"]);
  });

  test("removes; what is not there is no error", async () => {
    await files.write("a/b", "");
    await files.remove("a/b");
    await files.remove("a/b");
    await files.removeFolder("a");
    expect(await files.listFolders("")).toEqual([]);
  });

  test("keeps a second run out until the first lets go", async () => {
    const first = await files.lock("run");
    await expect(files.lock("run")).rejects.toMatchObject({ code: "InUse" });
    await (await files.lock("another")).release();
    await first.release();
    await (await files.lock("run")).release();
  });

  test.each<[string, (files: Files) => Promise<unknown>, string, RegExp]>([
    ["no such file", (files) => files.read("none"), "MissingFile", /none.*no such file/],
    ["a folder read as a file", (files) => files.open("folder"), "MissingFile", /folder/],
    ["a file in a file", (files) => files.write("file/inner", ""), "WriteFailed", /file\/inner.*in the way/],
    ["a folder in a file", (files) => files.makeWritable("file/inner"), "WriteFailed", /in the way/],
    ["temporary files", (files) => files.spool(), "Unsupported", /temporary/],
  ])("says what is wrong with %s", async (_, act, code, message) => {
    await files.write("file", "");
    await files.makeWritable("folder");
    await expect(act(files)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

test("a set that is larger than memory is refused: WebAssembly cannot read files by itself", async () => {
  const loading = loadDataset("/fixtures/images", { resolution: 8, streaming: true });
  await expect(loading).rejects.toMatchObject({ code: "Unsupported", message: expect.stringContaining("streaming") });
});
