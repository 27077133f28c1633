/** The hub in a page: contents are kept by the browser, and what the hub announces of files is its list of them. */
import { EmberwingError } from "../../errors.js";
import { type HubRepo, hubName } from "../../hub/hub-repo.js";
import { announced, type Content, fileName, type HubFile } from "../hub/download.js";
import { listFiles, type RemoteFile } from "../hub/repo-info.js";
import { ATTEMPTS } from "../hub/retries.js";
import {
  checkEndpoint,
  checkToken,
  DEFAULT_ENDPOINT,
  DEFAULT_TIMEOUT_SECONDS,
  type HubSettings,
} from "../hub/settings.js";
import { openSnapshot } from "../hub/snapshot.js";
import type { HubOptions, HubSnapshot } from "../hub.js";
import { PageCache } from "./cache.js";

export async function openInPage(
  repo: HubRepo,
  options: HubOptions,
  endpoint: string | undefined,
): Promise<HubSnapshot> {
  checkPage(repo);
  const cache = new PageCache(repo);
  return openSnapshot(repo, options, { settings: settings(options, endpoint), cache, contentOf: announcements() });
}

/** What browsers give only to pages that came over an encrypted connection, or from the machine itself. */
function checkPage(repo: HubRepo): void {
  if (globalThis.caches && globalThis.navigator?.locks && globalThis.crypto?.subtle) return;
  throw new EmberwingError(
    "Unsupported",
    `loading ${hubName(repo)}: there is no storage for it here (the Cache API): pages have one that come from https or localhost; in Node, take the native addon`,
  );
}

function settings({ token }: HubOptions, endpoint: string | undefined): HubSettings {
  return {
    endpoint: checkEndpoint("hubEndpoint", endpoint ?? DEFAULT_ENDPOINT),
    timeoutMs: 1000 * DEFAULT_TIMEOUT_SECONDS,
    // Asked again, a network that is known to be away only keeps the user waiting.
    attempts: globalThis.navigator.onLine ? ATTEMPTS : 1,
    token: checkToken(token),
    tokenAdvice: "pass { token }",
    redirect: "follow",
    headers: {},
  };
}

/** The hub's list of a commit, got when the first file is not in the cache: a page does not see headers of redirects. */
function announcements(): (file: HubFile) => Promise<Content> {
  let list: Promise<Map<string, RemoteFile>> | undefined;
  return async (file) => {
    const { client, repo, commit, path } = file;
    list ??= listFiles(client, repo, commit).then((files) => new Map(files.map((each) => [each.path, each])));
    const found = (await list).get(path);
    if (!found) throw new EmberwingError("MissingFile", `${fileName(file)}: there is no such file`);
    return announced(file, found.sha256 ?? found.oid, found.size);
  };
}
