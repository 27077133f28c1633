/** Images that stay on disk: a data set is told where they lie, and reads them when they are drawn. */
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import type { Files } from "../platform/files.js";
import type { ClassLabel } from "./class-labels.js";
import type { ImageFolder } from "./folder-images.js";
import { type EncodedImage, type ImageOptions, takeImages } from "./image-sources.js";

/** So many at once that handing them over costs nothing, so few that their text stays small. */
const PORTION = 10_000;

/** The files of folders, where they are. */
export async function streamFolders(
  handle: DatasetHandle,
  folders: readonly ImageFolder[],
  { strict = false, signal }: ImageOptions,
): Promise<void> {
  for (const { directory, names } of folders) {
    for (let first = 0; first < names.length; first += PORTION) {
      signal?.throwIfAborted();
      const portion = JSON.stringify(names.slice(first, first + PORTION));
      await enqueue(() => handle.addFiles(directory, portion, strict));
    }
  }
}

/**
 * Images of a table. Its compressed row groups allow no access to a single one, so they are copied to a temporary
 * file, as large as they are, which has no name once the core has opened it.
 *
 * @returns Their labels, where there are any.
 */
export async function streamTable(
  handle: DatasetHandle,
  files: Files,
  source: string,
  images: AsyncIterable<EncodedImage>,
  options: ImageOptions,
): Promise<ClassLabel[]> {
  const spool = await files.spool();
  try {
    await enqueue(() => handle.openParts(spool.path));
    await spool.unlink();
    const labels: ClassLabel[] = [];
    let parts: [name: string, offset: number, length: number][] = [];
    const handOver = async (): Promise<void> => {
      await enqueue(() => handle.addParts(JSON.stringify(parts), options.strict ?? false));
      parts = [];
    };
    await takeImages(source, images, options, async ({ name, read, label }) => {
      const bytes = await read();
      parts.push([name, await spool.append(bytes), bytes.length]);
      if (label !== undefined) labels.push(label);
      if (parts.length === PORTION) await handOver();
    });
    await handOver();
    return labels;
  } finally {
    await spool.close();
  }
}
