/** The files below a folder, links followed. Imported by `node-files.ts` alone. */
import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { FoundFile, FoundProblem, IsWanted } from "./files.js";
import { nameOfBytes, systemPath } from "./node-names.js";

/**
 * A folder that two links lead to is told twice, as torchvision does; one that lies in itself once.
 *
 * @param reason Says why the file system refused.
 */
export async function walkFolder(
  root: string,
  isWanted: IsWanted,
  reason: (error: unknown) => string,
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];

  /** @param above The folders on the way here. */
  async function enter(prefix: string, above: readonly string[]): Promise<void> {
    for (const entry of await entriesOf(join(root, prefix))) {
      const name = prefix + entry.name;
      const kind = await kindOfEntry(entry, join(root, name), reason);
      if (!isWanted(entry.name, kind.isFolder ?? false)) continue;
      if (kind.isFolder) await enterFolder(name, above);
      else found.push(kind.problem === undefined ? { name } : { name, problem: kind.problem });
    }
  }

  async function enterFolder(name: string, above: readonly string[]): Promise<void> {
    try {
      const identity = await identityOf(join(root, name));
      if (above.includes(identity)) return;
      const before = found.length;
      await enter(`${name}/`, [...above, identity]);
      if (found.length === before)
        found.push({ name, problem: { what: "empty folder", text: "it is a folder without files" } });
    } catch (error) {
      const text = `it is a folder that cannot be listed (${reason(error)})`;
      found.push({ name, problem: { what: "folder", text } });
    }
  }

  await enter("", [await identityOf(root)]);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** With names that are not UTF-8, which Node otherwise spoils. */
async function entriesOf(directory: string): Promise<Dirent[]> {
  const path = systemPath(directory);
  const entries = await readdir(path, { withFileTypes: true });
  if (!entries.some(({ name }) => name.includes("\uFFFD"))) return entries;
  const exact = await readdir(path, { withFileTypes: true, encoding: "buffer" });
  return exact.map((entry) => Object.assign(entry as unknown as Dirent, { name: nameOfBytes(entry.name) }));
}

interface Kind {
  isFolder?: boolean;
  /** Why it cannot be read as a file. */
  problem?: FoundProblem;
}

/** Nothing is opened: opening a named pipe waits for somebody who writes to it. */
async function kindOfEntry(entry: Dirent, path: string, reason: (error: unknown) => string): Promise<Kind> {
  if (entry.isFile()) return {};
  if (entry.isDirectory()) return { isFolder: true };
  try {
    const target = await stat(systemPath(path));
    return target.isDirectory() ? { isFolder: true } : describeKind(target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const known = { ENOENT: "it is a link to nothing", ELOOP: "it is a link that leads to itself" };
    const text = known[code as keyof typeof known] ?? `it cannot be read (${reason(error)})`;
    return { problem: { what: "link", text } };
  }
}

/** What is said of something that is neither a file nor a folder. */
export function describeKind(entry: Pick<Dirent, "isFile" | "isFIFO" | "isSocket">): Kind {
  if (entry.isFile()) return {};
  const what = entry.isFIFO() ? "a named pipe" : entry.isSocket() ? "a socket" : "a device";
  return { problem: { what: "device", text: `it is ${what}, not a file` } };
}

async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await stat(systemPath(path), { bigint: true });
  return `${dev} ${ino}`;
}
