/** What the hub says of a repository, checked: nothing of an answer becomes a path or a commit unseen. */
import { EmberwingError } from "../../errors.js";
import { checkPathInRepo, type HubRepo, hubName } from "../../hub/hub-repo.js";
import type { HubClient } from "./client.js";

export interface RepoInfo {
  commit: string;
  paths: string[];
}

export interface RemoteFile {
  path: string;
  /** The git hash of the content, or of its pointer file in large file storage. */
  oid: string;
  /** The content's SHA-256, where it is in large file storage. */
  sha256: string | undefined;
  /** Of the content, in bytes. */
  size: number;
}

/** From here on, the list of names in a repository's description may not be whole. */
const MANY_FILES = 50_000;
/** The hub gives 1000 files a page. */
const MOST_PAGES = 10_000;

/** The address of a repository's part of the hub's programming interface. */
export function apiPath({ type, id }: HubRepo, rest: string): string {
  return `/api/${type}s/${id}${rest}`;
}

export async function readRepoInfo(client: HubClient, repo: HubRepo, revision: string): Promise<RepoInfo> {
  const url = client.url(apiPath(repo, `/revision/${encodeURIComponent(revision)}`));
  const what = revision === "main" ? hubName(repo) : `${hubName(repo)} at ${revision}`;
  const { content } = await client.json(url, { what });
  const { sha, siblings } = (content ?? {}) as Record<string, unknown>;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha)) throw unreadable(client, repo, "a commit");
  if (Array.isArray(siblings) && siblings.length < MANY_FILES) {
    return { commit: sha, paths: siblings.map((file) => checkPathInRepo(repo, file?.rfilename)) };
  }
  return { commit: sha, paths: (await listFiles(client, repo, sha)).map(({ path }) => path) };
}

/** All files of a repository with their hashes. */
export async function listFiles(client: HubClient, repo: HubRepo, commit: string): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  let url: string | undefined = client.url(apiPath(repo, `/tree/${commit}?recursive=true&expand=false`));
  for (let page = 0; url !== undefined; page++) {
    if (page === MOST_PAGES) throw unreadable(client, repo, "a list of files that ends");
    const { content, headers } = await client.json(url, { what: hubName(repo) });
    if (!Array.isArray(content) || content.some((entry) => typeof entry?.type !== "string")) {
      throw unreadable(client, repo, "a list of files");
    }
    files.push(...content.filter((entry) => entry.type === "file").map((entry) => remoteFile(client, repo, entry)));
    url = nextPage(headers, url);
  }
  return files;
}

function remoteFile(client: HubClient, repo: HubRepo, entry: Record<string, unknown>): RemoteFile {
  const { oid, size, lfs } = entry;
  const path = checkPathInRepo(repo, entry.path);
  const sha256 = (lfs as { oid?: unknown } | undefined)?.oid;
  if (typeof oid !== "string" || !isSize(size)) throw unreadable(client, repo, "files with hashes and sizes");
  return { path, oid, sha256: typeof sha256 === "string" ? sha256 : undefined, size };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function nextPage(headers: Headers, url: string): string | undefined {
  const next = /<([^>]+)>;\s*rel="?next"?/.exec(headers.get("Link") ?? "")?.[1];
  return next !== undefined && URL.canParse(next, url) ? new URL(next, url).href : undefined;
}

export function unreadable({ settings }: HubClient, repo: HubRepo, expected: string): EmberwingError {
  return new EmberwingError(
    "Network",
    `${hubName(repo)}: expected ${expected} in the server's answer: is ${settings.endpoint} a hub?`,
  );
}
