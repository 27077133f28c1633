/** Where a model, scheduler or pipeline is saved to: a folder on disk, one that a page may write to, or memory. */
import { invalidArgument } from "../errors.js";
import type { FloatType } from "../float-type.js";
import { directoryFiles } from "../platform/directory-files.js";
import { type Files, files } from "../platform/files.js";

/**
 * A folder's path; a directory of a page, its own or one that the user picked; a Map that takes the contents by their
 * paths, for `zip` or for sending; or a folder of your own kind.
 */
export type SaveTarget = string | FileSystemDirectoryHandle | Map<string, Uint8Array> | SaveFolder;

export interface SavePretrainedOptions {
  /** The number format of weights. `"float16"` takes half the room and rounds to 11 bits, `"bfloat16"` to 8; training goes on less exactly. Default `"float32"`. */
  dtype?: FloatType;
}

export const SAVE_OPTIONS = ["dtype"];

/** A file of `savePretrained`. */
export type SavedFile = readonly [name: string, content: Uint8Array | string];

/** A folder to write to, wherever it is. */
export interface SaveFolder {
  /** The names of the files that lie directly in it. */
  fileNames(): Promise<string[]>;
  write(name: string, content: Uint8Array | string): Promise<void>;
  remove(name: string): Promise<void>;
  saveFolder(name: string): SaveFolder;
}

export function openDestination(target: SaveTarget): SaveFolder {
  if (typeof target === "string" && target !== "") return pathDestination(files(`saving ${target}`), target);
  if (target instanceof Map) return memoryDestination(target, "");
  if (isDirectoryHandle(target)) return pathDestination(directoryFiles(target), "");
  if (typeof (target as Partial<SaveFolder>)?.saveFolder === "function") return target as SaveFolder;
  throw invalidArgument("target", "a folder's path, a FileSystemDirectoryHandle or a Map", target);
}

export function isDirectoryHandle(value: unknown): value is FileSystemDirectoryHandle {
  return (value as Partial<FileSystemHandle> | null)?.kind === "directory";
}

function pathDestination(disk: Files, path: string): SaveFolder {
  return {
    fileNames: async () => (await disk.list(path, { recursive: false })) ?? [],
    write: (name, content) => disk.write(disk.join(path, name), content),
    remove: (name) => disk.remove(disk.join(path, name)),
    saveFolder: (name) => pathDestination(disk, disk.join(path, name)),
  };
}

function memoryDestination(contents: Map<string, Uint8Array>, prefix: string): SaveFolder {
  return {
    async fileNames() {
      const inside = [...contents.keys()].filter((path) => path.startsWith(prefix));
      return inside.map((path) => path.slice(prefix.length)).filter((name) => !name.includes("/"));
    },
    async write(name, content) {
      contents.set(prefix + name, typeof content === "string" ? new TextEncoder().encode(content) : content);
    },
    async remove(name) {
      contents.delete(prefix + name);
    },
    saveFolder: (name) => memoryDestination(contents, `${prefix}${name}/`),
  };
}
