/** The hub in Node: the cache that all programs share, the environment's settings, and what a file's headers announce. */
import type { HubRepo } from "../../hub/hub-repo.js";
import { announced, type Content, fileName, fileUrl, type HubFile, IDENTITY } from "../hub/download.js";
import { withRetries } from "../hub/retries.js";
import { type HubPlace, openSnapshot } from "../hub/snapshot.js";
import type { HubOptions, HubSnapshot } from "../hub.js";
import { SharedCache } from "./cache.js";
import { hubSettings } from "./settings.js";

const OFFLINE = { reason: "HF_HUB_OFFLINE is set", remedy: "unset it to download" };

export async function openOnDisk(repo: HubRepo, options: HubOptions): Promise<HubSnapshot> {
  const settings = await hubSettings(options.token);
  const cache = new SharedCache(settings.cacheDirectory, repo);
  const place: HubPlace = { settings, cache, contentOf, ...(settings.offline && { offline: OFFLINE }) };
  return openSnapshot(repo, options, place);
}

/** From the headers of the hub itself: a redirect to where large files lie has them too. */
export async function contentOf(file: HubFile): Promise<Content> {
  const { client } = file;
  const what = fileName(file);
  const request = { what, method: "HEAD", follow: "hub", missing: "there is no such file", headers: IDENTITY } as const;
  const headers = await withRetries(what, client, () =>
    client.attempt(fileUrl(file), request, async (response) => response.headers),
  );
  const hash = (headers.get("X-Linked-Etag") ?? headers.get("ETag") ?? "").replace(/^W\/|"/g, "");
  const size = headers.get("X-Linked-Size") ?? headers.get("Content-Length") ?? "";
  return announced(file, hash, size);
}
