/** One run at a time in a folder: a file in it says which process writes there. Imported where there is Node. */
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { EmberwingError } from "../errors.js";
import type { FolderLock } from "./files.js";

const LOCK_FILE = ".emberwing.lock";

/** A lock of another machine, whose processes cannot be asked for, counts as left behind after this time without a sign. */
const SILENT_MS = 60_000;
const SIGN_OF_LIFE_MS = 10_000;
/** So long may it take from making a lock to writing its owner into it. */
const WRITING_MS = 5_000;

interface Owner {
  pid: number;
  host: string;
  /** Tells a process from a later one of the same number; empty where the system does not say. */
  started: string;
}

/**
 * Takes the folder, which must exist. A lock whose process is gone, as after `kill -9`, is taken over.
 *
 * @throws `InUse` where another run, in this process or another, has it.
 */
export function lockFolder(directory: string): Promise<FolderLock> {
  return lockFile(join(directory, LOCK_FILE), directory);
}

/**
 * Takes what `purpose` names by making the file `path`, in a folder that must exist.
 *
 * @throws `InUse` as `lockFolder` does.
 */
export async function lockFile(path: string, purpose: string): Promise<FolderLock> {
  const owner: Owner = { pid: process.pid, host: hostname(), started: await startOf(process.pid) };
  if (!(await create(path, owner))) {
    if (!(await takeOver(path, owner))) throw inUse(purpose, path, await readOwner(path));
  }
  const signs = setInterval(() => void signOfLife(path), SIGN_OF_LIFE_MS);
  signs.unref();
  return {
    async release() {
      clearInterval(signs);
      await rm(path, { force: true });
    },
  };
}

/** Whether a run that is alive has the folder. Takes nothing. */
export async function isLocked(directory: string): Promise<boolean> {
  const path = join(directory, LOCK_FILE);
  const owner = await readOwner(path);
  return owner !== undefined && isAlive(owner, path);
}

async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(JSON.stringify(owner));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** A lock without an owner is one that was made this moment, or was cut off by a power failure before. */
async function isHeld(owner: Owner | undefined, path: string): Promise<boolean> {
  return owner ? isAlive(owner, path) : (await silence(path)) < WRITING_MS;
}

/** In place of an owner who is gone. One at a time: otherwise one would remove the lock that another just made. */
async function takeOver(path: string, owner: Owner): Promise<boolean> {
  if (await isHeld(await readOwner(path), path)) return false;
  const turn = `${path}.takeover`;
  if (!(await create(turn, owner))) {
    // Left behind by a process that was killed right here; the next one to ask gets its turn.
    const age = await silence(turn);
    if (age > WRITING_MS && age < Number.POSITIVE_INFINITY) await rm(turn, { force: true });
    return false;
  }
  try {
    if (await isHeld(await readOwner(path), path)) return false;
    await rm(path, { force: true });
    return await create(path, owner);
  } finally {
    await rm(turn, { force: true });
  }
}

/** Milliseconds since a lock was made or gave its last sign; infinite where there is none. */
async function silence(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
}

/** `undefined` where the lock went away, or was cut off by a power failure. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.host !== hostname()) return (await silence(path)) < SILENT_MS;
  return processExists(owner.pid) && (await startOf(owner.pid)) === owner.started;
}

export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The kernel's start time of a process and the boot that it counts from. */
async function startOf(pid: number): Promise<string> {
  try {
    const [status, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    ]);
    // The name of the command, in brackets, may hold spaces; the start time is the twentieth field after it.
    return `${boot.trim()} ${status.slice(status.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch {
    return "";
  }
}

/** A sign that fails is made up for by the next one. */
async function signOfLife(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

function inUse(directory: string, path: string, owner: Owner | undefined): EmberwingError {
  const who = owner ? `process ${owner.pid} on ${owner.host}` : "another process";
  return new EmberwingError(
    "InUse",
    `${directory}: another run writes there (${who}): choose another folder, or stop that run (the lock is ${path})`,
  );
}
