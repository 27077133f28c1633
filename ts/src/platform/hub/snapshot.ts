/** A repository at one commit, file by file, from the cache or from the hub. */
import { EmberwingError } from "../../errors.js";
import { checkPathInRepo, type HubRepo, hubName } from "../../hub/hub-repo.js";
import type { HubOptions, HubSnapshot } from "../hub.js";
import { HubClient } from "./client.js";
import { type Content, downloadFile, type HubFile } from "./download.js";
import type { RepoCache } from "./repo-cache.js";
import { readRepoInfo } from "./repo-info.js";
import { HubUnreachable } from "./retries.js";
import type { HubSettings } from "./settings.js";

/** What Node and a page do each in their own way. */
export interface HubPlace {
  settings: HubSettings;
  cache: RepoCache;
  /** Why nobody is to be asked, and what would change that. */
  offline?: { reason: string; remedy: string };
  /** What the hub announces of a file. */
  contentOf(file: HubFile): Promise<Content>;
}

/** Asks the hub which commit a revision is at; where it cannot be reached, the cache says which it was at. */
export async function openSnapshot(
  repo: HubRepo,
  { revision = "main", signal, onProgress }: HubOptions,
  { settings, cache, offline, contentOf }: HubPlace,
): Promise<HubSnapshot> {
  checkRevision(revision);
  if (offline) {
    const problem = `it is not in ${cache.name}, and ${offline.reason}: ${offline.remedy}`;
    const error = new EmberwingError("MissingFile", `${hubName(repo)} at ${revision}: ${problem}`);
    return cachedSnapshot(repo, cache, revision, { error, reason: offline.reason });
  }
  const client = new HubClient(settings, signal);
  try {
    const { commit, paths } = await readRepoInfo(client, repo, revision);
    // A shared cache that can only be read still serves.
    await cache.rememberCommit(revision, commit).catch(() => undefined);
    return {
      ...{ note: "", paths, disk: cache.disk },
      async file(path) {
        signal?.throwIfAborted();
        const file = { client, repo, commit, path };
        if (!(await cache.has(commit, path))) {
          await downloadFile({ ...file, cache, content: await contentOf(file), onProgress });
        }
        return cache.place(commit, path);
      },
    };
  } catch (error) {
    if (!(error instanceof HubUnreachable)) throw error;
    return cachedSnapshot(repo, cache, revision, { error, reason: "the hub cannot be reached" });
  }
}

function checkRevision(revision: string): void {
  const segments = typeof revision === "string" ? revision.split("/") : [""];
  if (segments.every((part) => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part))) return;
  throw new EmberwingError(
    "InvalidArgument",
    `revision: expected a branch, a tag or a commit, got ${JSON.stringify(revision)}`,
  );
}

async function cachedSnapshot(
  repo: HubRepo,
  cache: RepoCache,
  revision: string,
  problem: { error: EmberwingError; reason: string },
): Promise<HubSnapshot> {
  const commit = await cache.commitOf(revision);
  if (commit === undefined) throw problem.error;
  return {
    note: ` (the cache alone: ${problem.reason})`,
    paths: await cache.paths(commit),
    disk: cache.disk,
    async file(path) {
      checkPathInRepo(repo, path);
      if (await cache.has(commit, path)) return cache.place(commit, path);
      const where = `${hubName(repo)}/${path}: it is not in the cache, and ${problem.reason}`;
      throw new EmberwingError("MissingFile", where, { cause: problem.error });
    },
  };
}
