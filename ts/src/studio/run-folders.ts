/** Which folders under the watched ones are runs: those with a `metrics.jsonl`. */
import type { Dirent } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { METRICS_FILE } from "./metrics-file.js";
import type { WatchedRoot } from "./protocol.js";

/** So that a large tree, such as a home folder, cannot keep the studio busy. */
const MOST_LEVELS = 4;
const MOST_FOLDERS = 2000;

export interface FoundFolders {
  roots: WatchedRoot[];
  /** Sorted, each once, links resolved. */
  runs: string[];
  leftOut?: string;
}

export async function findRunFolders(roots: readonly string[]): Promise<FoundFolders> {
  const search: Search = { runs: new Set(), visited: 0 };
  const watched: WatchedRoot[] = [];
  for (const path of roots) {
    const entries = await entriesOf(path);
    watched.push({ path, ...(!entries && { problem: "cannot be read: it was removed, renamed or closed to others" }) });
    if (entries) await visit(await realpath(path).catch(() => path), entries, MOST_LEVELS, search);
  }
  const isCut = search.visited >= MOST_FOLDERS;
  return {
    ...{ roots: watched, runs: [...search.runs].sort() },
    ...(isCut && { leftOut: `only the first ${MOST_FOLDERS} folders were looked at; name folders nearer to the runs` }),
  };
}

interface Search {
  runs: Set<string>;
  visited: number;
}

/** A run's own folders are not looked into: its checkpoints hold copies of the log. */
async function visit(path: string, entries: readonly Dirent[], levels: number, search: Search): Promise<void> {
  search.visited++;
  if (entries.some((entry) => entry.name === METRICS_FILE && !entry.isDirectory())) {
    search.runs.add(path);
    return;
  }
  if (levels === 0) return;
  for (const entry of entries) {
    if (search.visited >= MOST_FOLDERS) return;
    if (!entry.isDirectory() || entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const folder = join(path, entry.name);
    const inside = await entriesOf(folder);
    if (inside) await visit(folder, inside, levels - 1, search);
  }
}

/** `undefined` where the folder is not there, or not any more. */
async function entriesOf(path: string): Promise<Dirent[] | undefined> {
  return readdir(path, { withFileTypes: true }).catch(() => undefined);
}
