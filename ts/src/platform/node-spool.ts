/** A temporary file that grows. Imported by `node-files.ts` alone. */
import { randomUUID } from "node:crypto";
import { open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spool } from "./files.js";
import { processExists } from "./folder-lock.js";

/** The process that made it stands in the name. */
const NAME = /^emberwing-(\d+)-[\da-f-]{36}\.images$/;

/** @param refused What the errors of the file system become. */
export async function openSpool(refused: (path: string, error: unknown) => Error): Promise<Spool> {
  const directory = tmpdir();
  await sweep(directory);
  const path = join(directory, `emberwing-${process.pid}-${randomUUID()}.images`);
  const asRefused = (error: unknown): never => {
    throw refused(path, error);
  };
  const file = await open(path, "wx", 0o600).catch(asRefused);
  let length = 0;
  return {
    path,
    async append(bytes) {
      await file.writeFile(bytes).catch(asRefused);
      length += bytes.length;
      return length - bytes.length;
    },
    async unlink() {
      // Windows may keep the name of an open file; then `close` takes it away, or a later process.
      await rm(path, { force: true }).catch(() => undefined);
    },
    async close() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}

/** Removes what processes left behind that were killed before they could take its name away. */
async function sweep(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const owner = NAME.exec(name)?.[1];
    // Somebody else's file, which cannot be removed, is in nobody's way.
    if (owner && !processExists(Number(owner))) await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
}
