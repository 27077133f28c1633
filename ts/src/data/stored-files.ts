/** What a path names: a file, a folder, or with wildcards the files that match. */
import { EmberwingError } from "../errors.js";
import type { Files, FoundFile } from "../platform/files.js";
import { parseGlob } from "./glob.js";
import { beginsAsImage, IMAGE_FILE, READ_FORMATS } from "./image-formats.js";
import type { ImageOptions } from "./image-sources.js";
import type { FoundFolder } from "./stored-sources.js";
import { filesByKind, isVisible, isVisiblePath, PARQUET, trainingSplit } from "./training-files.js";

/** Parquet files by their paths, or a folder with images. */
export interface StoredFiles {
  parquet: string[];
  folder?: FoundFolder;
}

export async function filesAt(disk: Files, path: string, options: ImageOptions): Promise<StoredFiles> {
  const kind = await disk.kindOf(path);
  if (kind === "folder") return filesInFolder(disk, path, options);
  if (kind === "file") return oneFile(disk, path);
  const glob = kind === undefined ? parseGlob(path) : undefined;
  if (glob) return matchingFiles(disk, path, glob);
  const isFileName = IMAGE_FILE.test(path) || PARQUET.test(path);
  const problem =
    kind === "other" ? "it is neither a file nor a folder" : `there is no such ${isFileName ? "file" : "folder"}`;
  throw new EmberwingError("MissingFile", `${path}: ${problem}`);
}

/**
 * The images, unless there are only Parquet files, or some in `data/`, where the hub's own tools put them. Of Parquet
 * files those of the training split.
 */
async function filesInFolder(disk: Files, path: string, options: ImageOptions): Promise<StoredFiles> {
  const { onWarning = console.warn } = options;
  const found = (await disk.walk(path, isVisible)) ?? [];
  const { inData, parquet, images } = filesByKind(namesOf(found));
  const tables = inData.length > 0 ? inData : parquet;
  if (tables.length === 0 || (images.length > 0 && inData.length === 0)) {
    if (tables.length > 0) await onWarning(`${path}: takes the images; left aside ${tables.length} Parquet files`);
    return { parquet: [], folder: { directory: path, found } };
  }
  if (images.length > 0)
    await onWarning(`${path}: takes the Parquet files in data/; left aside ${images.length} images`);
  const chosen = trainingSplit(path, tables);
  if (chosen.length < tables.length) {
    await onWarning(`${path}: takes the ${chosen.length} files of the training split, of ${tables.length}`);
  }
  return { parquet: chosen.map((name) => disk.join(path, name)) };
}

const namesOf = (found: readonly FoundFile[]): string[] =>
  found.filter(({ problem }) => problem === undefined).map(({ name }) => name);

/** By its name; where that says nothing, by how it begins. */
async function oneFile(disk: Files, path: string): Promise<StoredFiles> {
  if (PARQUET.test(path)) return { parquet: [path] };
  const beginning = await beginningOf(disk, path);
  if (String.fromCharCode(...beginning.subarray(0, 4)) === "PAR1") return { parquet: [path] };
  if (IMAGE_FILE.test(path) || beginsAsImage(beginning)) return { parquet: [], folder: folderOfFile(path) };
  throw new EmberwingError(
    "InvalidFile",
    `${path}: it is a file; expected a folder of images, an image (${READ_FORMATS}) or a Parquet file`,
  );
}

async function beginningOf(disk: Files, path: string): Promise<Uint8Array> {
  const file = await disk.open(path);
  try {
    return new Uint8Array(await file.slice(0, Math.min(16, file.byteLength)));
  } finally {
    await file.close();
  }
}

const folderOfFile = (path: string): FoundFolder => ({ directory: "", found: [{ name: path }] });

async function matchingFiles(
  disk: Files,
  path: string,
  { directory, matches }: { directory: string; matches(name: string): boolean },
): Promise<StoredFiles> {
  const asksForHidden = path.split(/[/\\]/).some((part) => /^(\.[^.]|__)/.test(part));
  const all = (await disk.walk(directory, asksForHidden ? () => true : isVisible)) ?? [];
  const found = all.filter(({ name }) => matches(name) && (asksForHidden || isVisiblePath(name)));
  if (found.length === 0) throw new EmberwingError("MissingFile", `${path}: there is no file of such a name`);
  const parquet = filesByKind(namesOf(found)).parquet.map((name) => disk.join(directory, name));
  return parquet.length > 0 ? { parquet } : { parquet, folder: { directory, found } };
}
