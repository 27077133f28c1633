/**
 * Contents that the browser keeps for the page's site, in its Cache storage, by the paths of huggingface_hub's cache:
 *
 *     models--owner--name/blobs/<hash>                    every content once
 *     models--owner--name/refs/main                       the commit that a branch or tag was at
 *     models--owner--name/snapshots/<commit>/unet/…       the hash of a file's content
 *
 * An entry is there as a whole or not at all. What came of a content that is not whole yet lies in a storage of its own.
 */
import { EmberwingError } from "../../errors.js";
import type { HubRepo } from "../../hub/hub-repo.js";
import { readerOf } from "../files.js";
import { type BlobPart, folderName, type RepoCache } from "../hub/repo-cache.js";
import { CachedPart } from "./cached-part.js";
import { addressOf, pathOf, put, STORAGE } from "./storage.js";

const COMMIT = /^[0-9a-f]{40}$/;

export class PageCache implements RepoCache {
  readonly name = "the page's cache";
  readonly disk: RepoCache["disk"] = {
    read: async (place) => new Uint8Array(await (await this.#content(place)).arrayBuffer()),
    open: async (place) => readerOf(await this.#content(place)),
    join: (...parts) => parts.join("/"),
  };
  readonly #root: string;

  constructor(repo: HubRepo) {
    this.#root = folderName(repo);
  }

  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return (await this.paths(revision)).length > 0 ? revision : undefined;
    return this.#text(this.#ref(revision));
  }

  async rememberCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    await put(await caches.open(STORAGE), this.#ref(revision), commit);
  }

  async paths(commit: string): Promise<string[]> {
    const prefix = this.place(commit, "");
    const keys = await (await caches.open(STORAGE)).keys();
    const paths = keys.map(({ url }) => pathOf(url)).filter((path) => path.startsWith(prefix));
    const names = paths.map((path) => path.slice(prefix.length));
    const there = await Promise.all(names.map((name) => this.has(commit, name)));
    return names.filter((_, index) => there[index]).sort();
  }

  place(commit: string, path: string): string {
    return `${this.#root}/snapshots/${commit}/${path}`;
  }

  async has(commit: string, path: string): Promise<boolean> {
    const hash = await this.#text(this.place(commit, path));
    return hash !== undefined && (await this.hasBlob(hash));
  }

  async hasBlob(hash: string): Promise<boolean> {
    return (await this.#match(this.#blob(hash))) !== undefined;
  }

  async link(commit: string, path: string, hash: string): Promise<void> {
    await put(await caches.open(STORAGE), this.place(commit, path), hash);
  }

  /** Held by the browser for this page or worker: it goes with it, however that ends. */
  async whileLocked(hash: string, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void> {
    await navigator.locks.request(`emberwing/${this.#blob(hash)}`, signal ? { signal } : {}, work);
  }

  async part(hash: string): Promise<BlobPart> {
    return new CachedPart(this.#blob(hash), hash);
  }

  #blob(hash: string): string {
    return `${this.#root}/blobs/${hash}`;
  }

  #ref(revision: string): string {
    return `${this.#root}/refs/${revision}`;
  }

  async #match(path: string): Promise<Response | undefined> {
    return (await caches.open(STORAGE)).match(addressOf(path));
  }

  async #text(path: string): Promise<string | undefined> {
    return (await this.#match(path))?.text();
  }

  async #content(place: string): Promise<Blob> {
    const hash = await this.#text(place);
    const content = hash === undefined ? undefined : await this.#match(this.#blob(hash));
    if (content) return content.blob();
    throw new EmberwingError("MissingFile", `${place}: it is no longer in the page's cache: load it again`);
  }
}
