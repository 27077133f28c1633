/** The file system as emberwing uses it. `node-files.ts` implements it; a page has none and passes `File[]`. */
import { EmberwingError } from "../errors.js";

/** Paths are the caller's, with the platform's separators; names inside a directory use `/`. */
export interface Files {
  /** The whole file; rejects with `MissingFile` or `InvalidFile` where it cannot be read. */
  read(path: string): Promise<Uint8Array>;
  /** For reading parts of a large file; rejects as `read` does. */
  open(path: string): Promise<OpenFile>;
  /** A new file in the system's folder for temporary ones. */
  spool(): Promise<Spool>;
  /** Names of the files in a directory, sorted, relative to it; `undefined` where there is no such directory. */
  list(directory: string, options: { recursive: boolean }): Promise<string[] | undefined>;
  /**
   * The files in a directory and those below it, sorted by name, and what stands in a file's place; links are followed,
   * and nothing is opened. `undefined` where there is no such directory.
   */
  walk(directory: string, isWanted: IsWanted): Promise<FoundFile[] | undefined>;
  /** What is at a path; `undefined` where nothing is. */
  kindOf(path: string): Promise<"file" | "folder" | "other" | undefined>;
  /** Makes the directory where it is missing; rejects with `WriteFailed` where files cannot be written to it. */
  makeWritable(directory: string): Promise<void>;
  /** Writes to a temporary name and renames, so that a kill leaves the old file or the new one. */
  write(path: string, content: Uint8Array | string): Promise<void>;
  /** Removes a file; does nothing where there is none. */
  remove(path: string): Promise<void>;
  /** Names of the directories in a directory, sorted; none where there is no such directory. */
  listFolders(directory: string): Promise<string[]>;
  /** Gives a directory another name at once, in place of any directory of that name. */
  moveFolder(from: string, to: string): Promise<void>;
  /** Removes a directory with everything in it; does nothing where there is none. */
  removeFolder(path: string): Promise<void>;
  /** Keeps other runs out of a directory until released; rejects with `InUse` where one is there. */
  lock(directory: string): Promise<FolderLock>;
  join(...parts: string[]): string;
}

/** As much of it as reading a folder takes. */
export type ReadableFiles = Pick<Files, "read" | "open" | "join">;

/** Asked for every name on the way: nothing is told of a file, or of what is in a folder, that is not wanted. */
export type IsWanted = (name: string, isFolder: boolean) => boolean;

export interface FoundProblem {
  /** A link that leads nowhere, a folder that cannot be listed or has no files, a pipe or device. */
  what: "link" | "folder" | "empty folder" | "device";
  text: string;
}

export interface FoundFile {
  /** Relative to the directory, with `/`. */
  name: string;
  /** Why it cannot be read. */
  problem?: FoundProblem;
}

/** To be closed after use. */
export interface OpenFile {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
  close(): Promise<void>;
}

export function readerOf(file: Blob): OpenFile {
  return {
    byteLength: file.size,
    slice: (start, end) => file.slice(start, end).arrayBuffer(),
    close: () => Promise.resolve(),
  };
}

/** The same of bytes in memory. */
export function readerOfBytes(bytes: Uint8Array): OpenFile {
  return {
    byteLength: bytes.length,
    slice: (start, end) => Promise.resolve(bytes.slice(start, end).buffer as ArrayBuffer),
    close: () => Promise.resolve(),
  };
}

/** A file that grows, and is gone with its last reader. */
export interface Spool {
  readonly path: string;
  /** Rejects with `WriteFailed`; resolves to where the bytes begin. */
  append(bytes: Uint8Array): Promise<number>;
  /** Takes its name away, so that nothing is left however the process ends; whoever opened it before reads on. */
  unlink(): Promise<void>;
  close(): Promise<void>;
}

export interface FolderLock {
  release(): Promise<void>;
}

let available: Files | undefined;

/** Called by the entry file. */
export function useFiles(files: Files | undefined): void {
  available = files;
}

/** The file system; `purpose` says in the error what wanted one. */
export function files(purpose: string): Files {
  if (available) return available;
  throw new EmberwingError("Unsupported", `${purpose}: there is no file system here`);
}
