/** Folders as one file, to download and to pick again. */
import { EmberwingError } from "../errors.js";
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

/** The files of a zip file by their paths; a folder that holds all of them is left away. */
export async function unzip(name: string, archive: Blob): Promise<ReadonlyMap<string, Uint8Array>> {
  const { unzipSync } = await import("fflate");
  const bytes = new Uint8Array(await archive.arrayBuffer());
  try {
    const entries = Object.entries(unzipSync(bytes)).filter(([path]) => !path.endsWith("/"));
    const [top] = /^[^/]*\//.exec(entries[0]?.[0] ?? "") ?? [""];
    const prefix = entries.every(([path]) => path.startsWith(top)) ? top.length : 0;
    return new Map(entries.map(([path, content]) => [path.slice(prefix), content]));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new EmberwingError("InvalidFile", `${name}: expected a zip file of a saved folder (${problem})`, {
      cause: error,
    });
  }
}
