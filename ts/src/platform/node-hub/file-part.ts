/** A content that is being downloaded, as a file beside its place. */
import { open, rename, rm, stat } from "node:fs/promises";
import type { BlobPart } from "../hub/repo-cache.js";
import { writeFailed } from "../node-files.js";
import { gitHashOfFile, sha256OfFile } from "./content-hash.js";

export class FilePart implements BlobPart {
  readonly #blob: string;
  readonly #name: string;
  readonly #path: string;

  /** @param blob Where the whole content will lie, in a folder that is there. */
  constructor(blob: string, name: string) {
    this.#blob = blob;
    this.#name = name;
    this.#path = `${blob}.incomplete`;
  }

  async size(): Promise<number> {
    return stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
  }

  async append(start: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const refused = (error: unknown): never => {
      throw writeFailed(this.#path, error);
    };
    const file = await open(this.#path, start === 0 ? "w" : "a").catch(refused);
    try {
      for await (const chunk of chunks) await file.writeFile(chunk).catch(refused);
    } finally {
      await file.close();
    }
  }

  hash(signal: AbortSignal | undefined): Promise<string> {
    return this.#name.length === 64 ? sha256OfFile(this.#path, signal) : gitHashOfFile(this.#path, signal);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async complete(): Promise<void> {
    await rename(this.#path, this.#blob).catch((error) => Promise.reject(writeFailed(this.#blob, error)));
  }
}
