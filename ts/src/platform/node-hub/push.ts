/** Files to a repository: only those that differ, all with one commit. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { CommitOperation } from "@huggingface/hub";
import { EmberwingError } from "../../errors.js";
import { type HubRepo, hubName } from "../../hub/hub-repo.js";
import type { HubClient } from "../hub/client.js";
import { listFiles, type RemoteFile, readRepoInfo } from "../hub/repo-info.js";
import type { HubPush, PushResult } from "../hub.js";
import { nodeFiles } from "../node-files.js";
import { gitHashOfFile, sha256OfFile } from "./content-hash.js";
import { clientForWriting } from "./create-repo.js";

const BRANCH = "main";

export async function pushFiles(repo: HubRepo, push: HubPush): Promise<PushResult> {
  const client = await clientForWriting(repo, push);
  const folder = await mkdtemp(join(tmpdir(), "emberwing-push-"));
  try {
    await push.save(folder);
    return await pushFolder(client, repo, folder, push);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pushFolder(client: HubClient, repo: HubRepo, folder: string, push: HubPush): Promise<PushResult> {
  const url = client.url(`/${repo.id}`);
  const parent = await readRepoInfo(client, repo, BRANCH);
  const change = await changeSince(client, repo, parent.commit, folder, push);
  if (isEmpty(change)) return { url, commit: parent.commit, uploaded: [] };
  try {
    const commit = await commitChange(client, repo, folder, push, change, parent.commit);
    return { url, commit, uploaded: change.uploads };
  } catch (error) {
    // Where the connection was cut after the commit, trying again met our own commit: then all is as it should be.
    const now = await readRepoInfo(client, repo, BRANCH).catch(() => parent);
    const done = now.commit !== parent.commit && isEmpty(await changeSince(client, repo, now.commit, folder, push));
    if (done) return { url, commit: now.commit, uploaded: change.uploads };
    throw error;
  }
}

interface Change {
  uploads: string[];
  removals: string[];
}

const isEmpty = ({ uploads, removals }: Change): boolean => uploads.length + removals.length === 0;

async function changeSince(
  client: HubClient,
  repo: HubRepo,
  commit: string,
  folder: string,
  { keep, isStale }: HubPush,
): Promise<Change> {
  const saved = (await nodeFiles.list(folder, { recursive: true })) ?? [];
  const remote = new Map((await listFiles(client, repo, commit)).map((file) => [file.path, file]));
  const uploads: string[] = [];
  for (const path of saved) {
    const known = remote.get(path);
    if (known && (keep.includes(path) || (await isSame(join(folder, path), known, client.signal)))) continue;
    uploads.push(path);
  }
  return { uploads, removals: [...remote.keys()].filter((path) => !saved.includes(path) && isStale(path, saved)) };
}

async function isSame(path: string, { oid, sha256 }: RemoteFile, signal: AbortSignal | undefined): Promise<boolean> {
  return sha256 === undefined
    ? (await gitHashOfFile(path, signal)) === oid
    : (await sha256OfFile(path, signal)) === sha256;
}

/** Uploads large files, then makes the commit, before which the repository is as it was. */
async function commitChange(
  client: HubClient,
  repo: HubRepo,
  folder: string,
  push: HubPush,
  { uploads, removals }: Change,
  parentCommit: string,
): Promise<string> {
  const { commitIter } = await import("@huggingface/hub");
  const add = (path: string): CommitOperation => {
    return { operation: "addOrUpdate", path, content: pathToFileURL(join(folder, path)) };
  };
  const remove = (path: string): CommitOperation => ({ operation: "delete", path });
  // A transfer cannot be held back: the caller is told while it goes on, and a failure of the caller's stops it.
  const stop = new AbortController();
  let refusal: { error: unknown } | undefined;
  let told: Promise<void> = Promise.resolve();
  const tell = async (path: string, progress: number): Promise<void> => {
    if (refusal) return;
    const total = await sizeOf(join(folder, path));
    await push.onProgress?.({ file: path, loaded: Math.round(progress * total), total });
  };
  const refuse = (error: unknown): void => {
    refusal ??= { error };
    stop.abort();
  };
  const events = commitIter({
    ...{ title: push.message, repo: { type: repo.type, name: repo.id }, branch: BRANCH, parentCommit },
    operations: [...uploads.map(add), ...removals.map(remove)],
    hubUrl: client.settings.endpoint,
    // Brings the token, retries and our errors. The package would refuse tokens that do not start with "hf_".
    fetch: client.fetchFor(`pushing to ${hubName(repo)}`),
    // Plain uploads, which every hub takes; the chunks of Xet would spare traffic where weights hardly differ.
    useXet: false,
    abortSignal: client.signal ? AbortSignal.any([client.signal, stop.signal]) : stop.signal,
  });
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return commitHash(repo, value?.commit.oid);
      if (value.event === "fileProgress" && value.state === "uploading") {
        const { path, progress } = value;
        told = told.then(() => tell(path, progress)).catch(refuse);
      } else if (value.event === "phase") {
        await told; // Nothing is under way here: a caller that fails keeps the commit from being made.
        stop.signal.throwIfAborted();
      }
    }
  } catch (error) {
    await told;
    if (refusal) throw refusal.error;
    client.signal?.throwIfAborted();
    throw error instanceof EmberwingError ? error : failed(repo, error);
  }
}

function commitHash(repo: HubRepo, oid: unknown): string {
  if (typeof oid === "string" && oid !== "") return oid;
  throw failed(repo, new Error("the server named no commit"));
}

function failed(repo: HubRepo, error: unknown): EmberwingError {
  return new EmberwingError("Network", `pushing to ${hubName(repo)}: ${(error as Error).message}`, { cause: error });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}
