/** Images that stay on disk: a data set is told where they lie, and reads them when they are drawn. */
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import { EmberwingError } from "../errors.js";
import type { Files } from "../platform/files.js";
import type { ClassLabel } from "./class-labels.js";
import type { EncodedImage, ImageOptions } from "./image-sources.js";

/** So many at once that handing them over costs nothing, so few that their text stays small. */
const PORTION = 10_000;

/** The files of a folder, where they are. */
export async function streamFolder(
  handle: DatasetHandle,
  directory: string,
  names: readonly string[],
  { strict = false, signal }: ImageOptions,
): Promise<void> {
  for (let first = 0; first < names.length; first += PORTION) {
    signal?.throwIfAborted();
    const portion = JSON.stringify(names.slice(first, first + PORTION));
    await enqueue(() => handle.addFiles(directory, portion, strict));
  }
}

/**
 * Images of a table. Its compressed row groups allow no access to a single one, so they are copied to a temporary
 * file, as large as they are.
 *
 * @returns Their labels, where there are any.
 */
export async function streamTable(
  handle: DatasetHandle,
  files: Files,
  source: string,
  images: AsyncIterable<EncodedImage>,
  { strict = false, signal }: ImageOptions,
): Promise<ClassLabel[]> {
  const spool = await files.spool();
  try {
    const labels: ClassLabel[] = [];
    let parts: [name: string, offset: number, length: number][] = [];
    let count = 0;
    const handOver = (): Promise<void> => enqueue(() => handle.addParts(spool.path, JSON.stringify(parts), strict));
    for await (const { name, bytes, label } of images) {
      signal?.throwIfAborted();
      parts.push([name, await spool.append(bytes), bytes.length]);
      if (label !== undefined) labels.push(label);
      count++;
      if (parts.length === PORTION) {
        await handOver();
        parts = [];
      }
    }
    if (count === 0) throw new EmberwingError("MissingFile", `${source}: expected at least one image`);
    await handOver();
    return labels;
  } finally {
    await spool.remove();
  }
}
