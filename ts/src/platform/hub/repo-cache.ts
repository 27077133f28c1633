/** Where contents of one repository are kept, in Node on disk and in a page by the browser. */
import type { HubRepo } from "../../hub/hub-repo.js";
import type { ReadableFiles } from "../files.js";

export interface RepoCache {
  /** How messages call it. */
  readonly name: string;
  /** Reads what lies at a `place`. */
  readonly disk: ReadableFiles;
  /** The commit that a branch or tag was at when it was last looked up; a commit is its own. */
  commitOf(revision: string): Promise<string | undefined>;
  rememberCommit(revision: string, commit: string): Promise<void>;
  /** The files that are there of a commit. */
  paths(commit: string): Promise<string[]>;
  place(commit: string, path: string): string;
  has(commit: string, path: string): Promise<boolean>;
  /** A content, by its hash. */
  hasBlob(hash: string): Promise<boolean>;
  /** Makes a path of a commit lead to a content. */
  link(commit: string, path: string, hash: string): Promise<void>;
  /** Does the work while nobody else downloads that content. */
  whileLocked(hash: string, signal: AbortSignal | undefined, work: () => Promise<void>): Promise<void>;
  /** Of a content that is not there yet. */
  part(hash: string): Promise<BlobPart>;
}

/** What came of a content so far. It is not the content before `complete`, whatever happens. */
export interface BlobPart {
  size(): Promise<number>;
  /** Takes chunks from byte `start` on, 0 or its size; 0 begins anew. What came stays where the chunks fail. */
  append(start: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Of the kind that the content's name is: 40 digits are git's hash, 64 SHA-256. */
  hash(signal: AbortSignal | undefined): Promise<string>;
  remove(): Promise<void>;
  /** Gives it the content's name. */
  complete(): Promise<void>;
}

/** A repository's folder in the layout of huggingface_hub. */
export function folderName({ type, id }: HubRepo): string {
  return `${type}s--${id.replace("/", "--")}`;
}
