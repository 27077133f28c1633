/**
 * The cache that all programs for the hub share, in the layout of Python's huggingface_hub:
 *
 *     models--owner--name/blobs/<hash>                    every content once
 *     models--owner--name/refs/main                       the commit that a branch or tag was at
 *     models--owner--name/snapshots/<commit>/unet/…       links to the contents
 */
import { copyFile, readFile, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { HubRepo } from "../../hub/hub-repo.js";
import { nodeFiles } from "../node-files.js";

const COMMIT = /^[0-9a-f]{40}$/;

export class RepoCache {
  readonly #root: string;
  /** Where the locks of downloads lie. */
  readonly locks: string;

  constructor(cacheDirectory: string, { type, id }: HubRepo) {
    const name = `${type}s--${id.replace("/", "--")}`;
    this.#root = join(cacheDirectory, name);
    this.locks = join(cacheDirectory, ".locks", name);
  }

  /** The commit that a branch or tag was at when it was last looked up; a commit is its own. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return (await isThere(this.#snapshot(revision))) ? revision : undefined;
    const text = await readFile(join(this.#root, "refs", revision), "utf8").catch(() => "");
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    await nodeFiles.write(join(this.#root, "refs", revision), commit);
  }

  /** The files that are there of a commit. */
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

  blob(hash: string): string {
    return join(this.#root, "blobs", hash);
  }

  async hasBlob(hash: string): Promise<boolean> {
    return isThere(this.blob(hash));
  }

  /** Makes a path of a commit lead to a content. */
  async link(commit: string, path: string, hash: string): Promise<void> {
    const place = this.place(commit, path);
    await nodeFiles.makeWritable(dirname(place));
    try {
      await symlink(relative(dirname(place), this.blob(hash)), place);
    } catch (error) {
      // Another process was faster; or the system has links only for administrators, as Windows does.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") await copyFile(this.blob(hash), place);
    }
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
