/** Where a model, scheduler or pipeline is loaded from: a folder on disk, the hub, or the files that were picked in a page. */
import type { Callback } from "../callback.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import { isHubSource } from "../hub/hub-repo.js";
import { directoryFiles } from "../platform/directory-files.js";
import { type Files, files, type OpenFile, readerOf, readerOfBytes } from "../platform/files.js";
import type { HubOptions } from "../platform/hub.js";
import { takeBytes } from "../tensor.js";
import { isDirectoryHandle } from "./destination.js";
import { hubFolder } from "./hub-folder.js";
import { webFolder } from "./web-folder.js";

/**
 * A path of a folder, or `"hub:owner/name"`, a repository on the hub; or a folder's files: those of an
 * `<input type="file" webkitdirectory>`, any content by its path, a zip file, a directory that a page may read, the
 * address of a folder on a web server, or a folder of your own kind. Paths of `File`s start with the name of the folder
 * that was picked; it is left away.
 */
export type PretrainedSource =
  | string
  | readonly File[]
  | ReadonlyMap<string, Blob | Uint8Array>
  | Blob
  | FileSystemDirectoryHandle
  | URL
  | PretrainedFolder;

/** A folder to read from, wherever it is. */
export interface PretrainedFolder {
  /** How messages name it. */
  readonly path: string;
  /** The names of the files that lie directly in it; `undefined` where there is no such folder. */
  fileNames(): Promise<string[] | undefined>;
  read(name: string): Promise<Uint8Array>;
  /** For reading a large file in parts; without it, files are read whole. */
  open?(name: string): Promise<OpenFile>;
  subfolder(name: string): PretrainedFolder;
}

/** The options of all that loads from the hub. */
export const HUB_OPTIONS = ["revision", "token", "signal", "onProgress"] as const satisfies (keyof HubOptions)[];

/** @param options For the hub; elsewhere a revision or a token is refused. */
export function openFolder(source: PretrainedSource, options: HubOptions = {}): PretrainedFolder {
  options.signal?.throwIfAborted();
  if (isHubSource(source)) return hubFolder(source, options);
  const meaningless = (["revision", "token"] as const).find((key) => options[key] !== undefined);
  if (meaningless) throw invalidArgument(meaningless, 'a source on the hub, "hub:owner/name", beside it', "another");
  if (typeof source === "string" && source !== "") return diskFolder(files(`loading ${source}`), source);
  if (source instanceof Map) return memoryFolder(takeContents(source), "");
  if (Array.isArray(source) && source.every((file) => file instanceof Blob))
    return memoryFolder(filesByPath(source as readonly unknown[] as readonly File[]), "");
  if (source instanceof Blob) return zipFolder(source);
  if (source instanceof URL) return webFolder(source);
  if (isDirectoryHandle(source)) return diskFolder(directoryFiles(source), "");
  if (typeof (source as Partial<PretrainedFolder>)?.fileNames === "function") return source as PretrainedFolder;
  throw invalidArgument("source", "a folder's path, File[], a Map of contents by path, a zip file or a URL", source);
}

function diskFolder(files: Files, path: string): PretrainedFolder {
  return {
    path: path || "the directory",
    fileNames: () => namesInFolder(files, path),
    read: (name) => files.read(files.join(path, name)),
    open: (name) => files.open(files.join(path, name)),
    subfolder: (name) => diskFolder(files, files.join(path, name)),
  };
}

async function namesInFolder(files: Files, path: string): Promise<string[] | undefined> {
  const names = await files.list(path, { recursive: false });
  if (names !== undefined || (await files.kindOf(path)) !== "file") return names;
  throw new EmberwingError("InvalidFile", `${path}: it is a file, expected a folder`);
}

/** Read when the first file is wanted. */
function zipFolder(archive: Blob): PretrainedFolder {
  const name = archive instanceof File ? archive.name : "the zip file";
  let contents: Promise<PretrainedFolder> | undefined;
  const opened = (): Promise<PretrainedFolder> => {
    // Loaded when needed, with what inflates.
    contents ??= import("./unzip.js").then(async ({ unzip }) => memoryFolder(await unzip(name, archive), ""));
    return contents;
  };
  return lazyFolder(name, opened);
}

function lazyFolder(path: string, opened: () => Promise<PretrainedFolder>): PretrainedFolder {
  return {
    path,
    fileNames: async () => (await opened()).fileNames(),
    read: async (name) => (await opened()).read(name),
    open: async (name) => openFile(await opened(), name),
    subfolder: (name) => lazyFolder(`${path}/${name}`, async () => (await opened()).subfolder(name)),
  };
}

/** The contents as they are now: they are read later. */
function takeContents(contents: ReadonlyMap<string, Blob | Uint8Array>): ReadonlyMap<string, Blob | Uint8Array> {
  const taken = Array.from(contents, ([path, content]): [string, Blob | Uint8Array] => {
    return [path, content instanceof Blob ? content : takeBytes(path, content)];
  });
  return new Map(taken);
}

/** Of contents that nobody changes while they are read. */
export function memoryFolder(contents: ReadonlyMap<string, Blob | Uint8Array>, prefix: string): PretrainedFolder {
  const content = (name: string): Blob | Uint8Array => {
    const found = contents.get(prefix + name);
    if (found) return found;
    throw new EmberwingError("MissingFile", `${prefix}${name}: it is not among the given files`);
  };
  return {
    path: prefix === "" ? "the given files" : prefix,
    async fileNames() {
      const inside = [...contents.keys()]
        .filter((path) => path.startsWith(prefix))
        .map((path) => path.slice(prefix.length));
      return inside.length === 0 ? undefined : inside.filter((name) => !name.includes("/")).sort();
    },
    async read(name) {
      const found = content(name);
      return found instanceof Uint8Array ? found : new Uint8Array(await found.arrayBuffer());
    },
    async open(name) {
      const found = content(name);
      return found instanceof Uint8Array ? readerOfBytes(found) : readerOf(found);
    },
    subfolder: (name) => memoryFolder(contents, `${prefix}${name}/`),
  };
}

function filesByPath(list: readonly File[]): Map<string, File> {
  // Files that were made and not picked have no path: in Node not even an empty one.
  const path = ({ webkitRelativePath = "" }: Partial<File>) => webkitRelativePath;
  return new Map(list.map((file) => [path(file).replace(/^[^/]*\//, "") || file.name, file]));
}

/** A file of the folder, in parts where the folder can. */
export async function openFile(folder: PretrainedFolder, name: string): Promise<OpenFile> {
  return folder.open?.(name) ?? readerOfBytes(await folder.read(name));
}

/** The text of a file of the folder; a missing one is an error that lists what lies there instead. */
export async function readText(folder: PretrainedFolder, name: string): Promise<string> {
  const names = await folder.fileNames();
  if (!names?.includes(name)) throw missing(folder, [name], names);
  return new TextDecoder().decode(await folder.read(name));
}

/** What was passed over in the files of a folder, if anything was. */
export async function tellWarning(
  { path }: PretrainedFolder,
  warning: string,
  onWarning: Callback<string> = console.warn,
): Promise<void> {
  if (warning !== "") await onWarning(`${path}: ${warning}`);
}

/** Nothing of what was looked for is in the folder. */
export function missing(folder: PretrainedFolder, wanted: string[], names: string[] | undefined): EmberwingError {
  const found = names === undefined ? "there is no such folder" : `found ${names.join(", ") || "no files"}`;
  return new EmberwingError("MissingFile", `${folder.path}: expected ${wanted.join(" or ")}, ${found}`);
}
