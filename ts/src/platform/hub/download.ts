/** One file from the hub to the cache: gone on with after a cut, checked, and in its place at once or not at all. */
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EmberwingError } from "../../errors.js";
import { type HubRepo, hubName } from "../../hub/hub-repo.js";
import { lockFile } from "../folder-lock.js";
import type { HubProgress } from "../hub.js";
import { nodeFiles, writeFailed } from "../node-files.js";
import { chunksOf } from "./body.js";
import type { RepoCache } from "./cache.js";
import type { HubClient } from "./client.js";
import { gitHashOfFile, sha256OfFile } from "./content-hash.js";
import { pause, TransientFailure, withRetries } from "./retries.js";

/** How often a file that another process downloads is looked after. */
const LOCK_POLL_MS = 200;

interface Content {
  url: string;
  /** 40 digits are git's hash of the content, 64 its SHA-256. */
  hash: string;
  size: number;
}

export interface Download {
  client: HubClient;
  cache: RepoCache;
  repo: HubRepo;
  commit: string;
  path: string;
  onProgress: ((progress: HubProgress) => void) | undefined;
}

/** Brings a file into the cache's snapshot of a commit. */
export async function downloadFile(download: Download): Promise<void> {
  const { cache, commit, path } = download;
  const content = await findContent(download);
  if (!(await cache.hasBlob(content.hash))) await downloadOnce(download, content);
  await cache.link(commit, path, content.hash);
}

/** From the headers of the hub itself: a redirect to where large files lie has them too. */
async function findContent({ client, repo, commit, path }: Download): Promise<Content> {
  const what = whatOf(repo, path);
  const prefix = repo.type === "model" ? "" : `/${repo.type}s`;
  const url = client.url(`${prefix}/${repo.id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`);
  const headers = await withRetries(what, client.signal, () =>
    client.attempt(
      url,
      { what, method: "HEAD", follow: "hub", missing: "there is no such file", ...IDENTITY },
      async (response) => response.headers,
    ),
  );
  const hash = (headers.get("X-Linked-Etag") ?? headers.get("ETag") ?? "").replace(/^W\/|"/g, "");
  const size = headers.get("X-Linked-Size") ?? headers.get("Content-Length") ?? "";
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) && /^\d+$/.test(size)) return { url, hash, size: Number(size) };
  throw new EmberwingError("Network", `${what}: expected the hub to say its hash and size, got ${hash} and ${size}`);
}

const whatOf = (repo: HubRepo, path: string): string => `${hubName(repo)}/${path}`;

/** Otherwise sizes and ranges would be those of compressed bytes. */
const IDENTITY = { headers: { "Accept-Encoding": "identity" } };

/** One process downloads a content, others wait for it. */
async function downloadOnce(download: Download, content: Content): Promise<void> {
  const { client, cache } = download;
  await nodeFiles.makeWritable(dirname(cache.blob(content.hash)));
  await nodeFiles.makeWritable(cache.locks);
  const lock = await waitForLock(join(cache.locks, `${content.hash}.emberwing`), client.signal);
  try {
    if (!(await cache.hasBlob(content.hash))) await fillBlob(download, content);
  } finally {
    await lock.release();
  }
}

async function waitForLock(path: string, signal: AbortSignal | undefined): ReturnType<typeof lockFile> {
  for (;;) {
    try {
      return await lockFile(path, path);
    } catch (error) {
      if (!(error instanceof EmberwingError && error.code === "InUse")) throw error;
      await pause(LOCK_POLL_MS, signal);
    }
  }
}

async function fillBlob(download: Download, content: Content): Promise<void> {
  const { client, cache, repo, path } = download;
  const blob = cache.blob(content.hash);
  const partial = `${blob}.incomplete`;
  const what = whatOf(repo, path);
  const attempt = async (): Promise<boolean> => {
    await withRetries(what, client.signal, () => goOn(download, content, partial));
    if ((await hashLike(content.hash, partial, client.signal)) === content.hash) return true;
    await rm(partial, { force: true });
    return false;
  };
  const hadPart = (await sizeOf(partial)) > 0;
  // What an earlier process left may be damaged, as after a power cut: then the whole file is got once more.
  if (!(await attempt()) && !(hadPart && (await attempt()))) {
    throw new EmberwingError(
      "InvalidFile",
      `${what}: what came is not what the hub announced (its hash is another); nothing of it was kept, try again`,
    );
  }
  await rename(partial, blob).catch((error) => Promise.reject(writeFailed(blob, error)));
}

function hashLike(hash: string, path: string, signal: AbortSignal | undefined): Promise<string> {
  return hash.length === 64 ? sha256OfFile(path, signal) : gitHashOfFile(path, signal);
}

/** Gets what is missing of a file, from the place where the last attempt, or process, came to an end. */
async function goOn({ client, repo, path, onProgress }: Download, content: Content, partial: string): Promise<void> {
  const there = await sizeOf(partial);
  const from = there <= content.size ? there : 0;
  if (from === content.size && there === from && from > 0) return;
  const range = from > 0 ? { Range: `bytes=${from}-` } : undefined;
  const headers = { ...IDENTITY.headers, ...range };
  // 416: the part that is there cannot be gone on from.
  const request = { what: whatOf(repo, path), headers, accept: [416] };
  await client.attempt(content.url, request, async (response, { alive, signal }) => {
    if (response.status === 416) await rm(partial, { force: true });
    const start = startOf(response, from);
    const report = (loaded: number): void => onProgress?.({ file: path, loaded, total: content.size });
    report(start);
    await append(partial, start, chunksOf(response, signal), content.size, (loaded) => {
      alive();
      report(loaded);
    });
  });
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Where the answer's body begins: a server may send the whole file though a part was asked for. */
function startOf(response: Response, wanted: number): number {
  if (response.status === 200) return 0;
  const start = Number(/^bytes (\d+)-/.exec(response.headers.get("Content-Range") ?? "")?.[1]);
  if (response.status === 206 && start === wanted) return start;
  throw new TransientFailure(`the server answers ${response.status} to a request for the rest of the file`);
}

async function append(
  path: string,
  start: number,
  chunks: AsyncIterable<Uint8Array>,
  size: number,
  report: (loaded: number) => void,
): Promise<void> {
  const file = await open(path, start === 0 ? "w" : "a").catch((error) => Promise.reject(writeFailed(path, error)));
  let loaded = start;
  try {
    for await (const chunk of chunks) {
      // The hash will tell; but a body without an end must not fill the disk.
      if (loaded + chunk.length > size) break;
      await file.writeFile(chunk).catch((error) => Promise.reject(writeFailed(path, error)));
      loaded += chunk.length;
      report(loaded);
    }
  } finally {
    await file.close();
  }
  if (loaded < size) throw new TransientFailure(`the connection was cut after ${loaded} of ${size} bytes`);
}
