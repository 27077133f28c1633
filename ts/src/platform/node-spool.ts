/** A temporary file that grows. Imported by `node-files.ts` alone. */
import { open, rm } from "node:fs/promises";
import type { Spool } from "./files.js";

/** @param refused What the errors of the file system become. */
export async function openSpool(path: string, refused: (error: unknown) => Error): Promise<Spool> {
  const asRefused = (error: unknown): never => {
    throw refused(error);
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
    async remove() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}
