/** The hub as emberwing uses it. `node-hub.ts` implements it, and `page-hub.ts` what loads from it. */
import type { Callback } from "../callback.js";
import { EmberwingError } from "../errors.js";
import type { HubRepo } from "../hub/hub-repo.js";
import type { ReadableFiles } from "./files.js";

/** How far a file is; in bytes. */
export interface HubProgress {
  /** The file's path inside the repository. */
  file: string;
  loaded: number;
  total: number;
}

/** What every request to the hub takes. */
export interface HubAccess {
  /** For private repositories. Default: `HF_TOKEN`, or the token that `hf auth login` stored; in a page none. */
  token?: string;
  /** Stops a transfer; what was downloaded stays, and the next call goes on from there. */
  signal?: AbortSignal;
  /** Told of every part of a file that was transferred; files that are in the cache are not mentioned. */
  onProgress?: Callback<HubProgress>;
}

/** How a repository is read. */
export interface HubOptions extends HubAccess {
  /** A branch, a tag or a commit. Default: `"main"`. */
  revision?: string;
}

/** A repository at one commit. */
export interface HubSnapshot {
  /** What messages add to its name: that only the cache is there, and why. */
  readonly note: string;
  /** The paths of its files; without a network, of those in the cache. */
  readonly paths: readonly string[];
  /** The place of a file in the cache, to which it is downloaded where it is not there. */
  file(path: string): Promise<string>;
  /** Reads what lies at a place. */
  readonly disk: ReadableFiles;
}

/** What a push brings to a repository. */
export interface HubPush extends HubAccess {
  /** Title of the commit. */
  message: string;
  /** Writes the files into an empty folder; their paths in it are those in the repository. */
  save(directory: string): Promise<void>;
  /** Files of these paths stay as they are where the repository has them. */
  keep: readonly string[];
  /** Files of the repository that would be taken for ours: they are removed with the same commit. */
  isStale(path: string, saved: readonly string[]): boolean;
}

/** What a push did. */
export interface PushResult {
  /** The page of the repository. */
  url: string;
  /** The repository's newest commit: the push's own, or the one before where nothing differed. */
  commit: string;
  /** The files that were uploaded; none where the repository had them all. */
  uploaded: string[];
}

export interface Hub {
  open(repo: HubRepo, options: HubOptions): Promise<HubSnapshot>;
  /** Makes the repository where it is missing; a name without an owner becomes the token's user's. */
  create(repo: HubRepo, options: HubAccess & { private: boolean }): Promise<HubRepo>;
  /** Brings files to a repository with one commit, or changes nothing. */
  push(repo: HubRepo, push: HubPush): Promise<PushResult>;
}

let available: Hub | undefined;

/** Called by the entry file. */
export function useHub(hub: Hub): void {
  available = hub;
}

/** The hub; `purpose` says in the error what wanted it. */
export function hub(purpose: string): Hub {
  if (available) return available;
  throw new EmberwingError("NotInitialized", `${purpose}: call \`await init()\` first`);
}
