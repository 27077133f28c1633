/** The hashes by which the hub names contents. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";

/** Of large files. */
export function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  return hashOfFile(path, "sha256", "", signal);
}

/** Of all others: git's hash of a blob. */
export async function gitHashOfFile(path: string, signal?: AbortSignal): Promise<string> {
  return hashOfFile(path, "sha1", `blob ${(await stat(path)).size}\0`, signal);
}

async function hashOfFile(path: string, algorithm: string, head: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm).update(head);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex");
}
