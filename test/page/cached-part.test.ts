/** What came of a content, as the browser keeps it: pieces while it comes, one entry when it is whole. */
import { afterEach, expect, test } from "vitest";
import { CachedPart } from "../../ts/src/platform/page-hub/cached-part.js";

/** What `git hash-object` says of "hello\n". */
const HELLO = "ce013625030ba8dba906f756967f9e9ca394464a";
const MEGABYTE = 1 << 20;

afterEach(async () => {
  for (const name of await caches.keys()) await caches.delete(name);
});

const part = (hash: string) => new CachedPart(`models--a--b/blobs/${hash}`, hash);

async function paths(storage: string): Promise<string[]> {
  return (await (await caches.open(storage)).keys()).map(({ url }) => new URL(url).pathname.slice(1)).sort();
}

async function* chunks(...texts: string[]) {
  for (const text of texts) yield new TextEncoder().encode(text);
}

test("goes on where it stopped, and becomes one entry", async () => {
  const content = part(HELLO);
  await content.append(0, chunks("he", "l"));
  expect(await content.size()).toBe(3);
  await content.append(3, chunks("lo\n"));
  expect(await content.hash(undefined)).toBe(HELLO);
  expect(await paths("emberwing-hub-parts")).toEqual(
    [0, 3].map((start) => `models--a--b/blobs/${HELLO}/${start}-${start + 3}`),
  );
  await content.complete();
  expect(await paths("emberwing-hub-parts")).toEqual([]);
  const entry = await (await caches.open("emberwing-hub")).match(`https://hub.invalid/models--a--b/blobs/${HELLO}`);
  expect(await entry?.text()).toBe("hello\n");
});

test("begins anew at 0, and takes an empty content", async () => {
  const empty = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
  const content = part(empty);
  await content.append(0, chunks("old"));
  await content.append(0, chunks());
  expect([await content.size(), await content.hash(undefined)]).toEqual([0, empty]);
  await content.complete();
  expect(await paths("emberwing-hub")).toEqual([`models--a--b/blobs/${empty}`]);
});

test("is kept piece by piece while it comes, whatever ends it", async () => {
  const content = part("0".repeat(64));
  const seen: number[] = [];
  async function* broken() {
    for (let i = 0; i < 7; i++) {
      yield new Uint8Array(3 * MEGABYTE).fill(i);
      seen.push(await content.size());
    }
    throw new Error("cut");
  }
  await expect(content.append(0, broken())).rejects.toThrow("cut");
  expect(seen.map((bytes) => bytes / MEGABYTE)).toEqual([0, 0, 9, 9, 9, 18, 18]);
  expect(await content.size()).toBe(21 * MEGABYTE);
  const whole = Uint8Array.from({ length: 21 * MEGABYTE }, (_, index) => Math.floor(index / (3 * MEGABYTE)));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  expect(await content.hash(undefined)).toBe([...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
});

test("a piece without those before it does not count", async () => {
  const content = part(HELLO);
  await content.append(0, chunks("he"));
  await content.append(2, chunks("llo\n"));
  const parts = await caches.open("emberwing-hub-parts");
  await parts.delete(`https://hub.invalid/models--a--b/blobs/${HELLO}/0-2`);
  expect(await content.size()).toBe(0);
});
