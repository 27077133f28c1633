import { fstatSync, ftruncateSync, writeSync } from "node:fs";
import { writeFailed } from "../platform/node-files.js";

/** Adds an entry to a log, all of it or nothing: a disk that becomes full takes a part before it refuses. */
export function appendWhole(path: string, file: number, entry: Uint8Array): void {
  const { size } = fstatSync(file);
  try {
    for (let done = 0; done < entry.length; ) done += writeSync(file, entry, done);
  } catch (error) {
    ftruncateSync(file, size);
    throw writeFailed(path, error);
  }
}
