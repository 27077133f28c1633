/**
 * The cache that all programs for the hub share, in the layout of Python's huggingface_hub:
 *
 *     models--owner--name/blobs/<hash>                    every content once
 *     models--owner--name/refs/main                       the commit that a branch or tag was at
 *     models--owner--name/snapshots/<commit>/unet/…       links to the contents
 */
import { copyFile, readFile, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { EmberwingError } from "../../errors.js";
import type { HubRepo } from "../../hub/hub-repo.js";
import { lockFile } from "../folder-lock.js";
import { type BlobPart, folderName, type RepoCache } from "../hub/repo-cache.js";
import { pause } from "../hub/retries.js";
import { nodeFiles } from "../node-files.js";
import { FilePart } from "./file-part.js";

const COMMIT = /^[0-9a-f]{40}$/;
/** How often a file that another process downloads is looked after. */
const LOCK_POLL_MS = 200;

export class SharedCache implements RepoCache {
  readonly name: string;
  readonly disk = nodeFiles;
  readonly #root: string;
  readonly #locks: string;

  constructor(cacheDirectory: string, repo: HubRepo) {
    const name = folderName(repo);
    this.name = `the cache ${cacheDirectory}`;
    this.#root = join(cacheDirectory, name);
    this.#locks = join(cacheDirectory, ".locks", name);
  }

  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return (await isThere(this.#snapshot(revision))) ? revision : undefined;
    const text = await readFile(join(this.#root, "refs", revision), "utf8").catch(() => "");
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    await nodeFiles.write(join(this.#root, "refs", revision), commit);
  }

  async paths(commit: string): Promise<string[]> {
    const paths = (await nodeFiles.list(this.#snapshot(commit), { recursive: true })) ?? [];
    const there = await Promise.all(paths.map((path) => isThere(this.place(commit, path))));
    return paths.filter((_, index) => there[index]);
  }

  place(commit: string, path: string): string {
    return join(this.#snapshot(commit), ...path.split("/"));
  }

  async has(commit: string, path: string): Promise<boolean> {
    return isThere(this.place(commit, path));
  }

  async hasBlob(hash: string): Promise<boolean> {
    return isThere(this.#blob(hash));
  }

  async whileLocked(hash: string, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
    await nodeFiles.makeWritable(this.#locks);
    const lock = await waitForLock(join(this.#locks, `${hash}.emberwing`), signal);
    try {
      await work();
    } finally {
      await lock.release();
    }
  }

  async part(hash: string): Promise<BlobPart> {
    await nodeFiles.makeWritable(dirname(this.#blob(hash)));
    return new FilePart(this.#blob(hash), hash);
  }

  async link(commit: string, path: string, hash: string): Promise<void> {
    const place = this.place(commit, path);
    await nodeFiles.makeWritable(dirname(place));
    try {
      await symlink(relative(dirname(place), this.#blob(hash)), place);
    } catch (error) {
      // Another process was faster; or the system has links only for administrators, as Windows does.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") await copyFile(this.#blob(hash), place);
    }
  }

  #blob(hash: string): string {
    return join(this.#root, "blobs", hash);
  }

  #snapshot(commit: string): string {
    return join(this.#root, "snapshots", commit);
  }
}

/** Follows links: one whose content was deleted does not count. */
async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function waitForLock(path: string, signal: AbortSignal | undefined): ReturnType<typeof lockFile> {
  for (;;) {
    try {
      return await lockFile(path, path);
    } catch (error) {
      if (!(error instanceof EmberwingError && error.code === "InUse")) throw error;
      await pause(LOCK_POLL_MS, signal);
    }
  }
}
