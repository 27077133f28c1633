/**
 * A content that is being downloaded, as entries `…/blobs/<hash>/<start>-<end>` of pieces that follow each other: an
 * entry cannot grow, and a page can be closed at any moment.
 */
import type { BlobPart } from "../hub/repo-cache.js";
import { contentHash } from "./content-hash.js";
import { addressOf, PARTS, pathOf, put, STORAGE } from "./storage.js";

/** From so many bytes on, a piece is kept: what came after the last one is lost when a page is closed. Smaller ones would be many. */
const PIECE_BYTES = 8 << 20;

interface Piece {
  path: string;
  start: number;
  end: number;
}

export class CachedPart implements BlobPart {
  readonly #blob: string;
  readonly #name: string;

  /** @param blob Where the whole content will lie. */
  constructor(blob: string, name: string) {
    this.#blob = blob;
    this.#name = name;
  }

  async size(): Promise<number> {
    return (await this.#pieces()).at(-1)?.end ?? 0;
  }

  async append(start: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (start === 0) await this.remove();
    const parts = await caches.open(PARTS);
    let end = start;
    let waiting: Uint8Array[] = [];
    const keep = async (): Promise<void> => {
      const bytes = waiting.reduce((sum, chunk) => sum + chunk.length, 0);
      if (bytes === 0) return;
      const content = new Blob(waiting as BlobPartOf[]);
      waiting = [];
      await put(parts, `${this.#blob}/${end}-${end + bytes}`, content);
      end += bytes;
    };
    try {
      let bytes = 0;
      for await (const chunk of chunks) {
        waiting.push(chunk);
        bytes += chunk.length;
        if (bytes < PIECE_BYTES) continue;
        await keep();
        bytes = 0;
      }
    } finally {
      await keep();
    }
  }

  async hash(signal: AbortSignal | undefined): Promise<string> {
    const content = await this.#content();
    signal?.throwIfAborted();
    return contentHash(content, this.#name.length === 64 ? "SHA-256" : "git");
  }

  async remove(): Promise<void> {
    const parts = await caches.open(PARTS);
    for (const path of await this.#paths()) await parts.delete(addressOf(path));
  }

  async complete(): Promise<void> {
    await put(await caches.open(STORAGE), this.#blob, await this.#content());
    await this.remove();
  }

  async #content(): Promise<Blob> {
    const parts = await caches.open(PARTS);
    const pieces = await this.#pieces();
    const answers = await Promise.all(pieces.map(({ path }) => parts.match(addressOf(path))));
    return new Blob(await Promise.all(answers.map((answer) => answer?.blob() ?? new Blob())));
  }

  /** Those that follow each other from the beginning. */
  async #pieces(): Promise<Piece[]> {
    const found = (await this.#paths()).map((path) => {
      const [start, end] = path.slice(path.lastIndexOf("/") + 1).split("-");
      return { path, start: Number(start), end: Number(end) };
    });
    const pieces: Piece[] = [];
    for (let at = 0; ; at = pieces.at(-1)?.end ?? 0) {
      const next = found.find(({ start }) => start === at);
      if (next === undefined) return pieces;
      pieces.push(next);
    }
  }

  async #paths(): Promise<string[]> {
    const keys = await (await caches.open(PARTS)).keys();
    return keys.map(({ url }) => pathOf(url)).filter((path) => path.startsWith(`${this.#blob}/`));
  }
}

type BlobPartOf = Uint8Array<ArrayBuffer>;
