/** What the tests use of `node:fs/promises`, over the page's own file system: the same test files run in both. */
import { pageFiles } from "./page-files.js";

export async function mkdtemp(prefix: string): Promise<string> {
  const path = `${prefix}${crypto.randomUUID()}`;
  await pageFiles.makeWritable(path);
  return path;
}

export async function mkdir(path: string): Promise<void> {
  await pageFiles.makeWritable(path);
}

export function readFile(path: string): Promise<Uint8Array>;
export function readFile(path: string, encoding: "utf8"): Promise<string>;
export async function readFile(path: string, encoding?: "utf8"): Promise<Uint8Array | string> {
  const bytes = await pageFiles.read(path);
  return encoding ? new TextDecoder().decode(bytes) : bytes;
}

export async function writeFile(path: string, content: Uint8Array | string): Promise<void> {
  await pageFiles.write(path, content);
}

export async function readdir(path: string, { recursive = false } = {}): Promise<string[]> {
  if (!recursive)
    return [...((await pageFiles.list(path, { recursive })) ?? []), ...(await pageFiles.listFolders(path))];
  const files = (await pageFiles.list(path, { recursive })) ?? [];
  const folders = files.flatMap((file) =>
    file
      .split("/")
      .slice(0, -1)
      .map((_, depth, names) => names.slice(0, depth + 1).join("/")),
  );
  return [...new Set([...folders, ...files])];
}

export async function rm(path: string): Promise<void> {
  await pageFiles.removeFolder(path);
}

export async function cp(from: string, to: string): Promise<void> {
  const names = await pageFiles.list(from, { recursive: true });
  if (names === undefined) return pageFiles.write(to, await pageFiles.read(from));
  for (const name of names) await pageFiles.write(`${to}/${name}`, await pageFiles.read(`${from}/${name}`));
}

export async function rename(from: string, to: string): Promise<void> {
  await cp(from, to);
  await rm(from);
}

export async function truncate(path: string, length: number): Promise<void> {
  await writeFile(path, (await pageFiles.read(path)).slice(0, length));
}
