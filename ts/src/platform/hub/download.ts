/** One file from the hub to the cache: gone on with after a cut, checked, and in its place at once or not at all. */
import type { Callback } from "../../callback.js";
import { EmberwingError } from "../../errors.js";
import { type HubRepo, hubName } from "../../hub/hub-repo.js";
import type { HubProgress } from "../hub.js";
import { chunksOf } from "./body.js";
import type { HubClient } from "./client.js";
import type { BlobPart, RepoCache } from "./repo-cache.js";
import { TransientFailure, withRetries } from "./retries.js";

/** What the hub says of a file's content. */
export interface Content {
  /** 40 digits are git's hash of the content, 64 its SHA-256. */
  hash: string;
  size: number;
}

/** What an answer of the hub says of a file, checked: contents are kept by that hash. */
export function announced(file: HubFile, hash: string, size: string | number): Content {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash) && /^\d{1,15}$/.test(String(size)))
    return { hash, size: Number(size) };
  const problem = `expected the hub to say its hash and size, got ${hash} and ${size}`;
  throw new EmberwingError("Network", `${fileName(file)}: ${problem}`);
}

/** Which file. */
export interface HubFile {
  client: HubClient;
  repo: HubRepo;
  commit: string;
  path: string;
}

export interface Download extends HubFile {
  cache: RepoCache;
  content: Content;
  onProgress: Callback<HubProgress> | undefined;
}

/** Brings a file into the cache's snapshot of a commit. */
export async function downloadFile(download: Download): Promise<void> {
  const { client, cache, commit, path, content } = download;
  const { hash } = content;
  if (!(await cache.hasBlob(hash))) {
    await cache.whileLocked(hash, client.signal, async () => {
      if (!(await cache.hasBlob(hash))) await fillBlob(download, await cache.part(hash));
    });
  }
  await cache.link(commit, path, hash);
}

/** How messages call a file. */
export const fileName = ({ repo, path }: HubFile): string => `${hubName(repo)}/${path}`;

/** Where a file is had. */
export function fileUrl({ client, repo, commit, path }: HubFile): string {
  const prefix = repo.type === "model" ? "" : `/${repo.type}s`;
  return client.url(`${prefix}/${repo.id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`);
}

/** Otherwise sizes and ranges would be those of compressed bytes. Browsers see to that themselves. */
export const IDENTITY = { "Accept-Encoding": "identity" };

async function fillBlob(download: Download, part: BlobPart): Promise<void> {
  const { client, content } = download;
  const name = fileName(download);
  const attempt = async (): Promise<boolean> => {
    await withRetries(name, client, () => goOn(download, part));
    if ((await part.hash(client.signal)) === content.hash) return true;
    await part.remove();
    return false;
  };
  const hadPart = (await part.size()) > 0;
  // What an earlier process left may be damaged, as after a power cut: then the whole file is got once more.
  if (!(await attempt()) && !(hadPart && (await attempt()))) {
    throw new EmberwingError(
      "InvalidFile",
      `${name}: what came is not what the hub announced (its hash is another); nothing of it was kept, try again`,
    );
  }
  await part.complete();
}

/** Gets what is missing of a file, from the place where the last attempt, or process, came to an end. */
async function goOn(download: Download, part: BlobPart): Promise<void> {
  const { client, path, content, onProgress } = download;
  const there = await part.size();
  const from = there <= content.size ? there : 0;
  if (from === content.size && there === from && from > 0) return;
  const range = from > 0 ? { Range: `bytes=${from}-` } : undefined;
  // 416: the part that is there cannot be gone on from.
  const request = { what: fileName(download), headers: { ...IDENTITY, ...range }, accept: [416] };
  await client.attempt(fileUrl(download), request, async (response, { alive, rest, signal }) => {
    if (response.status === 416) await part.remove();
    const start = startOf(response, from);
    const report = async (loaded: number): Promise<void> => {
      rest(); // The server is not silent while the caller takes its time.
      await onProgress?.({ file: path, loaded, total: content.size });
      alive();
    };
    await report(start);
    const announced = upTo(content.size, start, chunksOf(response, signal), report);
    await part.append(start, announced);
  });
}

/** Where the answer's body begins: a server may send the whole file though a part was asked for. */
function startOf(response: Response, wanted: number): number {
  if (response.status === 200) return 0;
  const range = response.headers.get("Content-Range");
  // A page may not be allowed to see the header; then the hash tells whether it was the rest.
  const start = range === null ? wanted : Number(/^bytes (\d+)-/.exec(range)?.[1]);
  if (response.status === 206 && start === wanted) return start;
  throw new TransientFailure(`the server answers ${response.status} to a request for the rest of the file`);
}

/** The hash will tell what is wrong; but a body without an end must not fill the disk. */
async function* upTo(
  size: number,
  start: number,
  chunks: AsyncIterable<Uint8Array>,
  report: (loaded: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  let loaded = start;
  for await (const chunk of chunks) {
    if (loaded + chunk.length > size) break;
    yield chunk;
    loaded += chunk.length;
    await report(loaded);
  }
  if (loaded < size) throw new TransientFailure(`the connection was cut after ${loaded} of ${size} bytes`);
}
