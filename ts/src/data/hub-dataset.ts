/** A data set on the hub: which of its files are training images, and where they lie once they are downloaded. */
import type { Callback } from "../callback.js";
import { EmberwingError } from "../errors.js";
import { hubRepo } from "../hub/hub-repo.js";
import type { ReadableFiles } from "../platform/files.js";
import { type HubOptions, type HubSnapshot, hub } from "../platform/hub.js";
import { IMAGE_FILE } from "./image-sources.js";

export interface HubDataset {
  /** The folder of the repository's files in the cache. */
  path: string;
  /** Files in which that folder has the chosen ones alone. */
  disk: ReadableFiles;
  /** The places of the Parquet files; none where the images are files of their own. */
  parquet: string[];
}

export async function openHubDataset(
  source: `hub:${string}`,
  options: HubOptions & { onWarning?: Callback<string> },
): Promise<HubDataset> {
  const { revision, token, signal, onProgress, onWarning = console.warn } = options;
  const repo = hubRepo("dataset", source);
  const stop = new AbortController();
  const snapshot = await hub(`loading ${source}`).open(repo, {
    ...{ revision, token, onProgress, signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal },
  });
  const name = source + snapshot.note;
  const all = imageFiles(name, snapshot.paths);
  const chosen = trainingSplit(name, all);
  if (snapshot.note !== "") await onWarning(`${name}: takes the ${all.length} files that are there`);
  if (chosen.length < all.length) {
    await onWarning(`${source}: takes the ${chosen.length} files of the training split, of ${all.length}`);
  }
  const places = await fetchAll(snapshot, chosen, stop);
  const [first = "", place = ""] = [chosen[0], places[0]];
  return {
    path: place.slice(0, place.length - first.length - 1),
    disk: { ...snapshot.disk, list: async () => chosen },
    parquet: PARQUET.test(first) ? places : [],
  };
}

const PARQUET = /\.parquet$/i;

/** Parquet files go before pictures, those in `data/`, where the hub's own tools put them, before all. */
function imageFiles(name: string, paths: readonly string[]): string[] {
  const parquet = paths.filter((path) => PARQUET.test(path));
  const usual = parquet.filter((path) => path.startsWith("data/"));
  const pictures = paths.filter((path) => IMAGE_FILE.test(path));
  const chosen = [usual, parquet, pictures].find((list) => list.length > 0);
  if (chosen) return [...chosen].sort();
  throw new EmberwingError(
    "MissingFile",
    `${name}: expected Parquet files or pictures, found ${paths.slice(0, 8).join(", ") || "no files"}`,
  );
}

/** The words of a path by which Python's datasets knows the split of a file. */
const SPLITS = {
  train: /(^|[^a-z])(train|training)([^a-z]|$)/i,
  other: /(^|[^a-z])(validation|valid|dev|val|test|testing|eval|evaluation)([^a-z]|$)/i,
};

/** Where no name speaks of a split, all files are for training. */
function trainingSplit(name: string, paths: string[]): string[] {
  const train = paths.filter((path) => SPLITS.train.test(path));
  if (train.length > 0) return train;
  const rest = paths.filter((path) => !SPLITS.other.test(path));
  if (rest.length > 0) return rest;
  throw new EmberwingError(
    "MissingFile",
    `${name}: expected a training split, found only ${paths.slice(0, 8).join(", ")}`,
  );
}

/** Small files take longer to ask for than to send. */
const AT_ONCE = 8;

/** @param stop Ends the transfers that are under way when one fails. */
async function fetchAll(snapshot: HubSnapshot, paths: readonly string[], stop: AbortController): Promise<string[]> {
  const places: string[] = new Array(paths.length);
  // A generator, because a loop that fails closes it for the others too.
  const queue = (function* () {
    yield* paths.entries();
  })();
  const work = async (): Promise<void> => {
    for (const [index, path] of queue) places[index] = await snapshot.file(path);
  };
  const workers = Array.from({ length: AT_ONCE }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(workers);
    throw error;
  }
  return places;
}
