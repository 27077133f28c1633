/** Which files of a folder or a repository are those to train on, chosen as Python's `datasets` does. */
import { EmberwingError } from "../errors.js";
import type { IsWanted } from "../platform/files.js";
import { shownName } from "../platform/shown-name.js";
import { IMAGE_FILE } from "./image-formats.js";

export const PARQUET = /\.(parquet|parq)$/i;

/** Hidden files and folders, such as `.git`, and those of systems, such as `__MACOSX`, hold nothing to train on. */
export const isVisible: IsWanted = (name, isFolder) => !name.startsWith(".") && !(isFolder && name.startsWith("__"));

/** Whether each part of a path is visible. */
export function isVisiblePath(path: string): boolean {
  return path.split("/").every((part, at, parts) => isVisible(part, at < parts.length - 1));
}

/** By kind: those in `data/`, where the hub's own tools put them, apart. */
export interface FilesByKind {
  inData: string[];
  parquet: string[];
  images: string[];
}

export function filesByKind(paths: readonly string[]): FilesByKind {
  const parquet = paths.filter((path) => PARQUET.test(path) && !/(^|\/)metadata\.parquet$/.test(path));
  return {
    inData: parquet.filter((path) => path.startsWith("data/")),
    parquet,
    images: paths.filter((path) => IMAGE_FILE.test(path)),
  };
}

/** The words of a path by which Python's datasets knows the split of a file. */
const SPLITS = {
  train: /(^|[^a-z])(train|training)([^a-z]|$)/i,
  other: /(^|[^a-z])(validation|valid|dev|val|test|testing|eval|evaluation)([^a-z]|$)/i,
};

/** Where no name speaks of a split, all files are for training. */
export function trainingSplit(name: string, paths: readonly string[]): readonly string[] {
  const train = paths.filter((path) => SPLITS.train.test(path));
  if (train.length > 0) return train;
  const rest = paths.filter((path) => !SPLITS.other.test(path));
  if (rest.length > 0) return rest;
  throw new EmberwingError("MissingFile", `${name}: expected a training split, found only ${someOf(paths)}`);
}

export function someOf(paths: readonly string[]): string {
  const more = paths.length > 8 ? ` and ${paths.length - 8} more` : "";
  return paths.slice(0, 8).map(shownName).join(", ") + more;
}
