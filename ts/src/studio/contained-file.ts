/** Files of a run's folder, and of no other: a link that leads out of it is refused. */
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { RequestFailure } from "./failures.js";

/** Without waiting for the other end of a pipe, and without following a link that came between. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Opens a regular file inside a folder; to be closed by the caller.
 *
 * @throws RequestFailure 404 where there is none, 403 where it lies elsewhere or is no regular file.
 */
export async function openContained(folder: string, name: string): Promise<FileHandle> {
  const path = await realPath(join(folder, name), name);
  if (!path.startsWith((await realPath(folder, folder)) + sep)) {
    throw new RequestFailure(403, `${name}: leads out of the run's folder`);
  }
  const file = await open(path, FLAGS).catch((error) => {
    throw new RequestFailure(403, `${name}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new RequestFailure(403, `${name}: is no regular file`);
}

/** The whole file, if it has at most `limit` bytes. */
export async function readContained(folder: string, name: string, limit: number): Promise<Buffer> {
  await using file = await openContained(folder, name);
  const { size } = await file.stat();
  if (size > limit) throw new RequestFailure(422, `${name}: expected at most ${limit} bytes, found ${size}`);
  return await file.readFile();
}

async function realPath(path: string, name: string): Promise<string> {
  return realpath(path).catch(() => {
    throw new RequestFailure(404, `${name}: there is no such file`);
  });
}
