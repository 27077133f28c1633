/** Images on disk and on the hub: finds out what a path names, and fills a data set with it. */
import type { DatasetHandle } from "../core.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import { type FoundFile, files, type OpenFile, type ReadableFiles } from "../platform/files.js";
import { type Classes, type ClassLabel, folderClass, numberClasses } from "./class-labels.js";
import { folderImages, type ImageFolder, imagesAmong } from "./folder-images.js";
import { openHubDataset } from "./hub-dataset.js";
import { addImages, type EncodedImage } from "./image-sources.js";
import type { SourceOptions } from "./load-dataset.js";
import { isMetadataFile, labelledImages } from "./metadata-files.js";
import type { ParquetFile } from "./parquet.js";
import { filesAt, type StoredFiles } from "./stored-files.js";
import { streamFolders, streamTable } from "./streamed-images.js";

/** Images of paths: files, folders and patterns. */
export async function fillFromPaths(
  handle: DatasetHandle,
  paths: readonly string[],
  options: SourceOptions,
): Promise<Classes | undefined> {
  const source = paths.length === 1 ? (paths[0] as string) : `${paths[0]} and ${paths.length - 1} more`;
  const disk = files(`loading ${source}`);
  const found: StoredFiles[] = [];
  for (const path of paths) found.push(await filesAt(disk, path, options));
  const tables = found.flatMap(({ parquet }) => parquet);
  const folders = found.flatMap(({ folder }) => folder ?? []);
  if (tables.length > 0 && folders.length > 0) {
    throw invalidArgument("source", "images or Parquet files, not both", paths);
  }
  if (tables.length > 0) return fillFromParquet(handle, source, tablesOnDisk(disk, tables), options);
  return fillFromFolders(handle, source, disk, folders, options);
}

export async function fillFromHub(
  handle: DatasetHandle,
  source: `hub:${string}`,
  options: SourceOptions,
): Promise<Classes | undefined> {
  const { path, disk, parquet, found } = await openHubDataset(source, options);
  if (parquet.length > 0) return fillFromParquet(handle, source, tablesOnHub(disk, parquet), options);
  return fillFromFolders(handle, source, disk, [{ directory: path, found }], options);
}

/** A folder with all that was found in it. */
export interface FoundFolder {
  directory: string;
  found: readonly FoundFile[];
}

async function fillFromFolders(
  handle: DatasetHandle,
  source: string,
  disk: ReadableFiles,
  found: readonly FoundFolder[],
  options: SourceOptions,
): Promise<Classes | undefined> {
  if (options.imageColumn !== undefined) {
    throw invalidArgument("imageColumn", "a source of Parquet files; this one has images", options.imageColumn);
  }
  const { folders, labels } = await labelled(disk, found, options);
  if (options.streaming) {
    await streamFolders(handle, folders, options);
    return labels && numberClasses(labels);
  }
  const added = await addImages(handle, source, folderImages(disk, folders, labels), options);
  return labels && numberClasses(added);
}

interface LabelledFolders {
  folders: ImageFolder[];
  /** One for each name, where they are wanted. */
  labels?: ClassLabel[];
}

async function labelled(
  disk: ReadableFiles,
  found: readonly FoundFolder[],
  options: SourceOptions,
): Promise<LabelledFolders> {
  const { classLabels, onWarning = console.warn } = options;
  const folders: ImageFolder[] = [];
  const labels: ClassLabel[] = [];
  for (const { directory, found: entries } of found) {
    const folder = { directory, names: await imagesAmong(directory, entries, options) };
    const metadata = entries.filter(({ name, problem }) => !problem && isMetadataFile(name)).map(({ name }) => name);
    const fromMetadata = typeof classLabels === "string" && classLabels !== "folder";
    if (fromMetadata && metadata.length > 0) {
      const images = await labelledImages(disk, folder, metadata, classLabels, options);
      folders.push({ directory, names: images.names });
      labels.push(...images.labels);
      continue;
    }
    for (const name of metadata) {
      await onWarning(
        `${disk.join(directory, name)}: is not used; \`classLabels\` (--class-labels) takes one of its columns`,
      );
    }
    folders.push(folder);
    if (classLabels === "folder") labels.push(...folder.names.map(folderClass));
    else if (fromMetadata) {
      const expected = '"folder", the folders inside as classes, or a column of a metadata.csv or metadata.jsonl there';
      throw invalidArgument("classLabels", expected, classLabels);
    }
  }
  if (classLabels === undefined) return { folders };
  if (typeof classLabels === "string") return { folders, labels };
  const count = folders.reduce((sum, { names }) => sum + names.length, 0);
  const isList = found.every(({ found: [first, second] }) => first && !second);
  if (isList && classLabels.length === count) return { folders, labels: [...classLabels] };
  throw invalidArgument("classLabels", '"folder", the folders inside as classes, or a column of metadata', classLabels);
}

/** A table's file that is opened when its turn comes. */
interface TableFile extends Pick<ParquetFile, "name" | "readBeside"> {
  open(): Promise<OpenFile>;
}

function tablesOnDisk(disk: ReadableFiles, paths: readonly string[]): TableFile[] {
  return paths.map((path) => ({
    name: path,
    open: () => disk.open(path),
    readBeside: (image) => readBeside(disk, path, image),
  }));
}

async function readBeside(disk: ReadableFiles, table: string, path: string): Promise<Uint8Array> {
  if (!/^\w+:\/\//.test(path)) return disk.read(isAbsolute(path) ? path : disk.join(folderOf(table), path));
  throw new EmberwingError("MissingFile", `${path}: is an address; only files beside ${table} are read`);
}

const isAbsolute = (path: string): boolean => /^([/\\]|[a-z]:[/\\])/i.test(path);
const folderOf = (path: string): string => /^(.*)[/\\][^/\\]*$/.exec(path)?.[1] || (path.startsWith("/") ? "/" : ".");

function tablesOnHub(disk: ReadableFiles, paths: readonly string[]): TableFile[] {
  return paths.map((path) => ({ name: path, open: () => disk.open(path), readBeside: onlyPath(path) }));
}

/** For tables that no files lie beside. */
function onlyPath(table: string): (path: string) => Promise<Uint8Array> {
  return async (path) => {
    throw new EmberwingError("MissingFile", `${table}: has only the path of the image ${path}, not its content`);
  };
}

/** A Parquet file that was picked in a page, or is in memory. */
export function fillFromBlob(
  handle: DatasetHandle,
  name: string,
  file: OpenFile,
  options: SourceOptions,
): Promise<Classes | undefined> {
  return fillFromParquet(handle, name, [{ name, open: async () => file, readBeside: onlyPath(name) }], options);
}

/** @param tables The files that hold the rows, one after the other. */
async function fillFromParquet(
  handle: DatasetHandle,
  source: string,
  tables: readonly TableFile[],
  options: SourceOptions,
): Promise<Classes | undefined> {
  const { classLabels: labelColumn, streaming, onWarning = console.warn } = options;
  if (labelColumn !== undefined && typeof labelColumn !== "string") {
    throw invalidArgument("classLabels", "the name of a column", labelColumn);
  }
  const columns = { labelColumn };
  // Loaded when needed: the decompressors would cost every start.
  const { openParquet } = await import("./parquet.js");
  let { imageColumn } = options;
  let classNames: readonly string[] | undefined;
  async function* images(): AsyncGenerator<EncodedImage> {
    for (const { name, open, readBeside } of tables) {
      const file = await open();
      try {
        const part = { name, readBeside, byteLength: file.byteLength, slice: file.slice };
        const table = await openParquet(part, { imageColumn, ...columns });
        if (table.others.length > 0) {
          await onWarning(`${name}: takes the images of \`${table.imageColumn}\`, not of ${table.others.join(", ")}`);
        }
        // The column of the first file is that of all.
        imageColumn = table.imageColumn;
        classNames ??= table.classNames;
        yield* table.images();
      } finally {
        await file.close();
      }
    }
  }
  const labels = streaming
    ? await streamTable(handle, files(`streaming ${source}`), source, images(), options)
    : await addImages(handle, source, images(), options);
  return labelColumn === undefined ? undefined : numberClasses(labels, classNames);
}
