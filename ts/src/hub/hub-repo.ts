/** Names of repositories of models and data sets on the hub. */
import { EmberwingError, invalidArgument } from "../errors.js";

/** A repository on the hub. */
export interface HubRepo {
  readonly type: "model" | "dataset";
  /** `owner/name`; a few old ones have a name alone. */
  readonly id: string;
}

const PREFIX = "hub:";
const PART = /^(?![-.])[\w.-]{1,96}(?<![-.])$/;

/** Is this the hub, and not a path? */
export function isHubSource(source: unknown): source is `hub:${string}` {
  return typeof source === "string" && source.startsWith(PREFIX);
}

/** @throws `InvalidArgument` for what cannot be a repository's name. */
export function hubRepo(type: HubRepo["type"], source: `hub:${string}`): HubRepo {
  return { type, id: checkRepoId("source", source.slice(PREFIX.length)) };
}

/** As huggingface_hub checks names: letters, digits, `-`, `_`, `.`, but not all of them everywhere. */
export function checkRepoId(argument: string, id: string): string {
  const parts = typeof id === "string" ? id.split("/") : [];
  const fits = parts.length >= 1 && parts.length <= 2 && parts.every((part) => PART.test(part));
  if (!fits || /--|\.\.|\.git$/.test(id)) throw invalidArgument(argument, "a repository as owner/name", id);
  return id;
}

/** How messages and the progress call it: the way in which it is asked for. */
export function hubName({ id }: HubRepo): string {
  return PREFIX + id;
}

/**
 * A path inside a repository, as its server gave it. It becomes a path on this machine, so a server must not be able to
 * name a place outside the repository's folder.
 *
 * @throws `Network` for any other text.
 */
export function checkPathInRepo(repo: HubRepo, path: unknown): string {
  const segments = typeof path === "string" ? path.split("/") : [];
  const safe = segments.every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]|\p{Cs}/u.test(part));
  if (typeof path === "string" && path !== "" && safe) return path;
  throw new EmberwingError(
    "Network",
    `${hubName(repo)}: the server names a file ${JSON.stringify(path)}, which is no path inside a repository`,
  );
}
