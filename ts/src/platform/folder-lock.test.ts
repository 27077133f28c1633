import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lockFile, lockFolder } from "./folder-lock.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "emberwing-lock-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** No process has this number. */
const GONE = JSON.stringify({ pid: 2 ** 30, host: hostname(), started: "" });

test("a lock whose owner is not written yet is held; one that a power failure cut off is not", async () => {
  const path = join(folder, "empty");
  await writeFile(path, "");
  await expect(lockFile(path, "it")).rejects.toMatchObject({ code: "InUse" });
  const minuteAgo = new Date(Date.now() - 60_000);
  await utimes(path, minuteAgo, minuteAgo);
  await (await lockFile(path, "it")).release();
});

test("of many that take over a lock that was left behind, one gets it", async () => {
  const path = join(folder, "left");
  for (let round = 0; round < 20; round++) {
    await writeFile(path, GONE);
    const takers = await Promise.allSettled(Array.from({ length: 8 }, () => lockFile(path, "it")));
    const locks = takers.flatMap((taker) => (taker.status === "fulfilled" ? [taker.value] : []));
    expect(locks).toHaveLength(1);
    for (const taker of takers) if (taker.status === "rejected") expect(taker.reason).toMatchObject({ code: "InUse" });
    await locks[0]?.release();
  }
  expect(await readdir(folder)).toEqual([]);
});

test("a folder is free again after its release", async () => {
  const lock = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: "InUse", message: expect.stringContaining(folder) });
  await lock.release();
  await (await lockFolder(folder)).release();
});
