/** A file system for pages: a directory that the user picked, or the page's own (OPFS). */
import { EmberwingError } from "../errors.js";
import { type Files, type FolderLock, type FoundFile, type IsWanted, readerOf } from "./files.js";
import { fillFile } from "./fill-file.js";

/**
 * The files in a directory, for `init`: paths then start there, whether or not with a slash.
 *
 * @param root Of `navigator.storage.getDirectory()`, the page's own, or of `showDirectoryPicker({ mode: "readwrite" })`.
 *
 * @example
 * await init({ files: directoryFiles(await navigator.storage.getDirectory()) });
 * await pipeline.savePretrained("my_pipeline"); // still there when the page is opened again
 */
export function directoryFiles(root: FileSystemDirectoryHandle): Files {
  return {
    read: async (path) => new Uint8Array(await (await openFile(root, path)).arrayBuffer()),
    open: async (path) => readerOf(await openFile(root, path)),
    spool: () => Promise.reject(new EmberwingError("Unsupported", "there are no temporary files here")),
    list: (directory, { recursive }) => list(root, directory, recursive),
    walk: (directory, isWanted) => walk(root, directory, isWanted),
    kindOf: (path) => kindOf(root, namesIn(path)),
    makeWritable: (directory) => makeWritable(root, directory),
    write: (path, content) => write(root, path, content),
    remove: (path) => remove(root, path),
    listFolders: (directory) => listFolders(root, directory),
    moveFolder: (from, to) => moveFolder(root, from, to),
    removeFolder: (path) => remove(root, path),
    lock: (directory) => lock(root, directory),
    join: (...parts) => parts.filter((part) => part !== "").join("/"),
  };
}

/** The names in a path, from the root. */
function namesIn(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** The names of a file's folder, and its own. */
function placeOf(path: string): [folder: string[], name: string] {
  const names = namesIn(path);
  const name = names.pop() ?? "";
  return [names, name];
}

interface FindOptions {
  create: boolean;
}

async function findFolder(
  root: FileSystemDirectoryHandle,
  names: readonly string[],
  { create }: FindOptions = { create: false },
): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create });
  return folder;
}

async function openFile(root: FileSystemDirectoryHandle, path: string): Promise<File> {
  try {
    const [names, name] = placeOf(path);
    return await (await (await findFolder(root, names)).getFileHandle(name)).getFile();
  } catch (error) {
    throw isMissing(error)
      ? new EmberwingError("MissingFile", `${path}: there is no such file`, { cause: error })
      : new EmberwingError("InvalidFile", `${path}: cannot be read (${reason(error)})`, { cause: error });
  }
}

async function list(
  root: FileSystemDirectoryHandle,
  directory: string,
  recursive: boolean,
): Promise<string[] | undefined> {
  try {
    const names: string[] = [];
    for await (const name of fileNames(await findFolder(root, namesIn(directory)), recursive)) names.push(name);
    return names.sort();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unlistable(directory, error);
  }
}

async function walk(
  root: FileSystemDirectoryHandle,
  directory: string,
  isWanted: IsWanted,
): Promise<FoundFile[] | undefined> {
  const names = await list(root, directory, true);
  const wanted = names?.filter((name) => name.split("/").every((part, at, all) => isWanted(part, at < all.length - 1)));
  return wanted?.map((name) => ({ name }));
}

async function kindOf(
  root: FileSystemDirectoryHandle,
  names: readonly string[],
): Promise<"file" | "folder" | undefined> {
  const folder = await findFolder(root, names).catch(() => undefined);
  if (folder) return "folder";
  const file = await openFile(root, names.join("/")).catch(() => undefined);
  return file && "file";
}

async function* fileNames(folder: FileSystemDirectoryHandle, recursive: boolean): AsyncGenerator<string> {
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === "file") yield name;
    else if (recursive) for await (const inner of fileNames(asFolder(entry), true)) yield `${name}/${inner}`;
  }
}

async function listFolders(root: FileSystemDirectoryHandle, directory: string): Promise<string[]> {
  try {
    const names: string[] = [];
    const folder = await findFolder(root, namesIn(directory));
    for await (const [name, entry] of folder.entries()) if (entry.kind === "directory") names.push(name);
    return names.sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw unlistable(directory, error);
  }
}

async function makeWritable(root: FileSystemDirectoryHandle, directory: string): Promise<void> {
  try {
    await findFolder(root, namesIn(directory), { create: true });
  } catch (error) {
    throw writeFailed(directory, error);
  }
}

async function write(root: FileSystemDirectoryHandle, path: string, content: Uint8Array | string): Promise<void> {
  const [names, name] = placeOf(path);
  try {
    const folder = await findFolder(root, names, { create: true });
    await fillFile(folder, name, content as Uint8Array<ArrayBuffer> | string);
  } catch (error) {
    throw writeFailed(path, error);
  }
}

async function remove(root: FileSystemDirectoryHandle, path: string): Promise<void> {
  const [names, name] = placeOf(path);
  try {
    await (await findFolder(root, names)).removeEntry(name, { recursive: true });
  } catch (error) {
    if (!isMissing(error)) throw writeFailed(path, error);
  }
}

/**
 * Copied and then removed: browsers cannot rename directories. A page that is closed in between leaves both; what is
 * half there a checkpoint's list of files tells.
 */
async function moveFolder(root: FileSystemDirectoryHandle, from: string, to: string): Promise<void> {
  try {
    const source = await findFolder(root, namesIn(from));
    await remove(root, to);
    await copy(source, await findFolder(root, namesIn(to), { create: true }));
    await remove(root, from);
  } catch (error) {
    throw error instanceof EmberwingError ? error : writeFailed(to, error);
  }
}

async function copy(from: FileSystemDirectoryHandle, to: FileSystemDirectoryHandle): Promise<void> {
  for await (const [name, entry] of from.entries()) {
    if (entry.kind === "directory") await copy(asFolder(entry), await to.getDirectoryHandle(name, { create: true }));
    else await fillFile(to, name, await asFile(entry).getFile());
  }
}

/** Held by the browser for this page or worker: it goes with it, however that ends. */
function lock(root: FileSystemDirectoryHandle, directory: string): Promise<FolderLock> {
  const name = ["emberwing", root.name, ...namesIn(directory)].join("/");
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(name, { ifAvailable: true }, (granted) => {
      if (granted === null) throw inUse(directory);
      return new Promise<void>((letGo) => {
        resolve({
          async release() {
            letGo();
            await held;
          },
        });
      });
    });
    held.catch(reject);
  });
}

function inUse(directory: string): EmberwingError {
  return new EmberwingError(
    "InUse",
    `${directory}: another run of this site writes there: choose another folder, or stop that run`,
  );
}

const asFolder = (handle: FileSystemHandle): FileSystemDirectoryHandle => handle as FileSystemDirectoryHandle;
const asFile = (handle: FileSystemHandle): FileSystemFileHandle => handle as FileSystemFileHandle;

function isMissing(error: unknown): boolean {
  return ["NotFoundError", "TypeMismatchError"].includes((error as DOMException).name);
}

function unlistable(directory: string, error: unknown): EmberwingError {
  return new EmberwingError("InvalidFile", `${directory}: cannot be listed (${reason(error)})`, { cause: error });
}

function writeFailed(path: string, error: unknown): EmberwingError {
  return new EmberwingError("WriteFailed", `${path}: cannot be written (${reason(error)})`, { cause: error });
}

function reason(error: unknown): string {
  const { name, message } = error as DOMException;
  const known: Record<string, string> = {
    NotAllowedError: "the user has not allowed it",
    QuotaExceededError: "the page's storage is full",
    TypeMismatchError: "a file or folder of that name is in the way",
  };
  return known[name] ?? (message || name);
}
