/** A data set on the hub: which of its files are training images, and where they lie once they are downloaded. */
import { EmberwingError } from "../errors.js";
import { hubRepo } from "../hub/hub-repo.js";
import type { FoundFile } from "../platform/files.js";
import { type HubSnapshot, hub } from "../platform/hub.js";
import type { SourceOptions } from "./load-dataset.js";
import { isMetadataFile } from "./metadata-files.js";
import { filesByKind, isVisiblePath, PARQUET, someOf, trainingSplit } from "./training-files.js";

export interface HubDataset {
  /** The folder of the repository's files in the cache. */
  path: string;
  disk: HubSnapshot["disk"];
  /** The chosen files, and the metadata beside them. */
  found: FoundFile[];
  /** The places of the Parquet files; none where the images are files of their own. */
  parquet: string[];
}

export async function openHubDataset(source: `hub:${string}`, options: SourceOptions): Promise<HubDataset> {
  const { revision, token, signal, onProgress, classLabels, onWarning = console.warn } = options;
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
  const [first = ""] = chosen;
  const isTable = PARQUET.test(first);
  const metadata = isTable ? [] : snapshot.paths.filter((path) => isMetadataFile(path) && isVisiblePath(path));
  const asksForMetadata = typeof classLabels === "string" && classLabels !== "folder";
  const places = await fetchAll(snapshot, asksForMetadata ? [...chosen, ...metadata] : chosen, stop);
  const path = (places[0] ?? "").slice(0, -first.length - 1);
  return {
    path,
    disk: snapshot.disk,
    found: [...chosen, ...metadata].map((name) => ({ name })),
    parquet: isTable ? places : [],
  };
}

/** Parquet files go before pictures, those in `data/` before all. */
function imageFiles(name: string, paths: readonly string[]): string[] {
  const { inData, parquet, images } = filesByKind(paths.filter(isVisiblePath));
  const chosen = [inData, parquet, images].find((list) => list.length > 0);
  if (chosen) return [...chosen].sort();
  throw new EmberwingError(
    "MissingFile",
    `${name}: expected Parquet files or pictures, found ${someOf(paths) || "no files"}`,
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
