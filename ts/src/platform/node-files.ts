/** The file system of Node, Deno and Bun. Imported by `node.ts` alone. */
import { randomUUID } from "node:crypto";
import { access, constants, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { EmberwingError } from "../errors.js";
import type { Files, FolderLock, FoundFile, IsWanted, OpenFile } from "./files.js";
import { lockFolder } from "./folder-lock.js";
import { systemPath } from "./node-names.js";
import { openSpool } from "./node-spool.js";
import { describeKind, walkFolder } from "./node-walk.js";
import { shownName } from "./shown-name.js";

export const nodeFiles: Files = {
  read,
  open: openFile,
  spool: () => openSpool(writeFailed),
  list,
  walk,
  kindOf,
  makeWritable,
  write,
  remove,
  listFolders,
  moveFolder,
  removeFolder,
  lock,
  join,
};

async function read(path: string): Promise<Uint8Array> {
  try {
    await checkIsFile(path);
    return await readFile(systemPath(path));
  } catch (error) {
    throw readFailed(path, error);
  }
}

/** What has no end, or waits for somebody who writes, is refused before it is opened. */
async function checkIsFile(path: string): Promise<void> {
  const entry = await stat(systemPath(path));
  const { problem } = entry.isDirectory() ? {} : describeKind(entry);
  if (problem) throw new EmberwingError("InvalidFile", `${shownName(path)}: ${problem.text}`);
}

/** The system refuses to read 2 GiB and more at once, and Node ends the process where it is asked to. */
const MOST_AT_ONCE = 2 ** 30;

async function openFile(path: string): Promise<OpenFile> {
  try {
    await checkIsFile(path);
    const file = await open(systemPath(path), "r");
    const { size: byteLength } = await file.stat();
    return {
      byteLength,
      async slice(start, end = byteLength) {
        const bytes = new Uint8Array(Math.max(end - start, 0));
        for (let done = 0; done < bytes.length; ) {
          const length = Math.min(bytes.length - done, MOST_AT_ONCE);
          const { bytesRead } = await file.read(bytes, done, length, start + done);
          if (bytesRead === 0) throw new EmberwingError("InvalidFile", `${path}: ends before byte ${end}`);
          done += bytesRead;
        }
        return bytes.buffer;
      },
      close: () => file.close(),
    };
  } catch (error) {
    throw readFailed(path, error);
  }
}

async function list(directory: string, { recursive }: { recursive: boolean }): Promise<string[] | undefined> {
  const found = await walk(directory, (_, isFolder) => recursive || !isFolder);
  return found?.filter(({ problem }) => problem === undefined).map(({ name }) => name);
}

async function walk(directory: string, isWanted: IsWanted): Promise<FoundFile[] | undefined> {
  try {
    return await walkFolder(directory, isWanted, reason);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw new EmberwingError("InvalidFile", `${directory}: cannot be listed (${reason(error)})`, { cause: error });
  }
}

async function kindOf(path: string): Promise<"file" | "folder" | "other" | undefined> {
  try {
    const entry = await stat(systemPath(path));
    return entry.isDirectory() ? "folder" : entry.isFile() ? "file" : "other";
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw readFailed(path, error);
  }
}

async function makeWritable(directory: string): Promise<void> {
  try {
    await makeFolders(resolve(directory));
    await access(directory, constants.W_OK);
  } catch (error) {
    throw writeFailed(directory, error);
  }
}

/**
 * Makes a folder and those above it. Node's own `recursive` never returns where a file system refuses new folders with
 * ENOENT, as `/proc` does.
 *
 * @param hasParent The folder above is there, so that ENOENT is final. Otherwise somebody else may have just made it.
 */
async function makeFolders(directory: string, hasParent = false): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    if (hasCode(error, "EEXIST") && (await stat(directory)).isDirectory()) return;
    if (!hasCode(error, "ENOENT") || hasParent) throw error;
    const parent = dirname(directory);
    if (!(await exists(parent))) await makeFolders(parent);
    await makeFolders(directory, true);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function write(path: string, content: Uint8Array | string): Promise<void> {
  const target = resolve(path);
  const temporary = join(dirname(target), `.${randomUUID()}.tmp`);
  try {
    await makeFolders(dirname(target));
    await writeAndSync(temporary, content);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeFailed(path, error);
  }
}

/** Flushed to the disk before the rename: otherwise a power cut can leave the new name on an empty file. */
async function writeAndSync(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw writeFailed(path, error);
  }
}

async function listFolders(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw new EmberwingError("InvalidFile", `${directory}: cannot be listed (${reason(error)})`, { cause: error });
  }
}

async function moveFolder(from: string, to: string): Promise<void> {
  try {
    // A directory is only renamed onto one that is empty.
    const old = join(dirname(to), `.${randomUUID()}.old`);
    const replaces = await exists(to);
    if (replaces) await rename(to, old);
    await syncFolder(from);
    await rename(from, to);
    await syncFolder(dirname(to));
    if (replaces) await rm(old, { recursive: true, force: true });
  } catch (error) {
    throw writeFailed(to, error);
  }
}

/** Names are only safe from a power cut once the directory that holds them is written. Windows does that by itself. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw writeFailed(path, error);
  }
}

async function lock(directory: string): Promise<FolderLock> {
  try {
    return await lockFolder(directory);
  } catch (error) {
    throw error instanceof EmberwingError ? error : writeFailed(directory, error);
  }
}

function readFailed(path: string, error: unknown): EmberwingError {
  if (error instanceof EmberwingError) return error;
  if (hasCode(error, "ENOENT", "ENOTDIR")) {
    return new EmberwingError("MissingFile", `${shownName(path)}: there is no such file`, { cause: error });
  }
  return new EmberwingError("InvalidFile", `${shownName(path)}: cannot be read (${reason(error)})`, { cause: error });
}

export function writeFailed(path: string, error: unknown): EmberwingError {
  return new EmberwingError("WriteFailed", `${path}: cannot be written (${reason(error)})`, { cause: error });
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const known: Record<string, string> = {
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    EIO: "the device fails (EIO)",
    EDQUOT: "the disk quota is used up",
    EEXIST: "a file of that name is in the way",
    ENOTDIR: "a part of the path is a file",
    EISDIR: "it is a directory",
    ELOOP: "its links lead in a circle",
    ENAMETOOLONG: "its path is too long",
    ERR_FS_FILE_TOO_LARGE: "it is larger than 2 GiB",
  };
  return known[code] ?? code;
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
