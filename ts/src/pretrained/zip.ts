/** Folders as one file, to download and to pick again. */
import { takeBytes } from "../tensor.js";

/**
 * A zip file of contents by their paths, as `savePretrained` puts them into a Map. Nothing is compressed: weights do not
 * shrink.
 *
 * @example
 * const files = new Map<string, Uint8Array>();
 * await pipeline.savePretrained(files);
 * const blob = await zip(files); // DDPMPipeline.fromPretrained(blob) reads it, and unzipped, Python's diffusers
 */
export async function zip(files: ReadonlyMap<string, Uint8Array>): Promise<Blob> {
  // As they are now.
  const contents = Object.fromEntries(Array.from(files, ([path, content]) => [path, takeBytes(path, content)]));
  const { zipSync } = await import("fflate");
  // A fixed date: the same files give the same bytes.
  const content = zipSync(contents, { level: 0, mtime: new Date(1980, 0, 1) });
  return new Blob([content as Uint8Array<ArrayBuffer>], { type: "application/zip" });
}
