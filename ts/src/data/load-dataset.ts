/** One door for all sources of training images. */
import type { DatasetHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import { invalidArgument } from "../errors.js";
import type { DatasetOptions } from "../generated/DatasetOptions.js";
import { isHubSource } from "../hub/hub-repo.js";
import { checkBag, checkInteger, checkOptions, toJson } from "../options.js";
import { type PictureSource, takePicture } from "../picture-sources.js";
import { readerOf } from "../platform/files.js";
import type { HubOptions } from "../platform/hub.js";
import { checkAttached, checkShape } from "../tensor.js";
import { type Classes, type ClassLabel, numberClasses } from "./class-labels.js";
import { Dataset } from "./dataset.js";
import { addImages, memoryImages, type StoredImageOptions } from "./image-sources.js";

/**
 * Where the images come from:
 * - `"butterflies"`: the built-in set, drawn on the spot (a folder of that name is `"./butterflies"`);
 * - a path of a folder: its PNG, JPEG, WebP, GIF and BMP files, with those of its subfolders, but for hidden ones (`.git`,
 *   `__MACOSX`); or, where it has no images or some in `data/`, its Parquet files, of which the training split;
 * - a path of a Parquet file or an image, or with wildcards, such as `"shards/*.parquet"`; or an array of paths;
 * - `"hub:owner/name"`: a data set on the hub, of Parquet files or of pictures in folders; its training split, where the
 *   files' names tell splits apart;
 * - an array of images in memory (`File`, `Blob`, `Buffer`, `Uint8Array`), of their addresses (`URL`), or of pixels
 *   (`ImageData`, `ImageBitmap`);
 * - a `Blob` or `File`: a Parquet file that was picked in a page;
 * - a `Float32Array` with `{ shape }`: values that are used as they are.
 */
export type DatasetSource = string | readonly string[] | readonly PictureSource[] | Blob | Float32Array;

/** What becomes of the images, and what the source needs to know. */
export interface LoadDatasetOptions extends Partial<DatasetOptions>, SourceOptions {}

/** What the source needs to know: each takes those that mean something for it. */
export interface SourceOptions extends StoredImageOptions, HubOptions {
  /** `"butterflies"`: how many. Default 1000. */
  size?: number;
  /** `"butterflies"`: which ones. Default 0. */
  seed?: number;
  /**
   * Parquet, also on the hub: the column with the images. Default: the one that Hugging Face's metadata in the file call
   * images, else the first whose content is an image.
   */
  imageColumn?: string;
  /** `Float32Array`: [images, channels, height, width]. */
  shape?: readonly number[];
  /**
   * The class of every image, for models with `numClassEmbeds`. A folder: `"folder"`, the name of the folder inside it
   * that an image lies in, or the name of a column of the `metadata.csv` or `metadata.jsonl` beside the images. Parquet:
   * the name of a column. On the hub: as its files are. Otherwise: a number or name for each image.
   */
  classLabels?: string | readonly ClassLabel[];
}

interface Source {
  /** The options that mean something for it. */
  options: readonly (keyof SourceOptions)[];
  /** Resolves to the classes of the images, where they have them. */
  fill(handle: DatasetHandle, options: SourceOptions): Promise<Classes | undefined>;
}

const IMAGES = ["strict", "onWarning", "signal", "classLabels"] as const;
const STORED = [...IMAGES, "streaming"] as const;
const HUB = ["revision", "token", "onProgress"] as const;

/**
 * Loads images to train on.
 *
 * @throws `MissingFile` where there are no images; `InvalidImage` for one that does not decode, with `strict`;
 *   `InvalidFile` for a damaged Parquet file; `Network` or `AccessDenied` where the hub does not give it.
 *
 * @example
 * const dataset = await loadDataset("butterflies", { resolution: 32, randomFlip: true });
 * console.log(dataset.length, dataset.shape); // 1000 [3, 32, 32]
 */
export async function loadDataset(source: DatasetSource, options: LoadDatasetOptions = {}): Promise<Dataset> {
  checkBag("options", options);
  const { size, seed, imageColumn, shape, classLabels, ...others } = options;
  const { strict, onWarning, signal, streaming, revision, token, onProgress, ...preprocessing } = others;
  const ofImages = { strict, onWarning, signal, streaming, revision, token, onProgress };
  const sourceOptions = defined({ size, seed, imageColumn, shape, classLabels, ...ofImages });
  const { options: allowed, fill } = sourceOf(source);
  checkOptions("options for this source", sourceOptions, allowed);
  const handle = call((core) => new core.Dataset(toJson(preprocessing)));
  try {
    const classes = await fill(handle, sourceOptions);
    if (classes) await enqueue(() => handle.setClassLabels(classes.numbers));
    return await Dataset.of(handle, { classNames: classes?.names ?? [], streaming, onWarning });
  } catch (error) {
    void enqueue(() => handle.dispose());
    throw error;
  }
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function sourceOf(source: DatasetSource): Source {
  if (source === "butterflies") return { options: ["size", "seed", "signal"], fill: addButterflies };
  if (isHubSource(source)) {
    const fill: Source["fill"] = async (...given) => (await stored()).fillFromHub(given[0], source, given[1]);
    return { options: [...STORED, "imageColumn", ...HUB], fill };
  }
  if (isPath(source) || isPathList(source)) {
    const paths = isPath(source) ? [source] : [...source];
    const fill: Source["fill"] = async (...given) => (await stored()).fillFromPaths(given[0], paths, given[1]);
    return { options: [...STORED, "imageColumn"], fill };
  }
  if (source instanceof Float32Array) return { options: ["shape", "classLabels"], fill: fillFromPixels(source) };
  if (Array.isArray(source)) return { options: IMAGES, fill: fillFromMemory(source) };
  if (source instanceof Blob) {
    const name = source instanceof File ? source.name : "the Parquet file";
    const file = readerOf(source);
    const fill: Source["fill"] = async (...given) => (await stored()).fillFromBlob(given[0], name, file, given[1]);
    return { options: [...IMAGES, "imageColumn"], fill };
  }
  throw invalidArgument(
    "source",
    '"butterflies", a path, an array of images, a Parquet file or a Float32Array',
    source,
  );
}

const isPath = (source: unknown): source is string => typeof source === "string" && source !== "";

function isPathList(source: DatasetSource): source is readonly string[] {
  return Array.isArray(source) && source.length > 0 && source.every(isPath);
}

/** Loaded when needed: sets in memory do without. */
const stored = (): Promise<typeof import("./stored-sources.js")> => import("./stored-sources.js");

function fillFromMemory(list: readonly PictureSource[]): Source["fill"] {
  const pictures = list.map((picture, index) => takePicture(`source[${index}]`, picture));
  return async (handle, options) => {
    const given = givenLabels(options, pictures.length);
    const labels = await addImages(handle, "the list", memoryImages(pictures, given ?? []), options);
    return given && numberClasses(labels);
  };
}

function fillFromPixels(source: Float32Array): Source["fill"] {
  checkAttached("source", source);
  const values = new Float32Array(source);
  return async (handle, options) => {
    const { shape = [] } = options;
    checkShape("shape", shape);
    if (shape.length !== 4) throw invalidArgument("shape", "[images, channels, height, width]", shape);
    const labels = givenLabels(options, shape[0] as number);
    const sizes = Uint32Array.from(shape);
    await enqueue(() => handle.addPixels(values, sizes));
    return labels && numberClasses(labels);
  };
}

/** One label an image, where there are any. */
function givenLabels({ classLabels }: SourceOptions, count: number): readonly ClassLabel[] | undefined {
  if (classLabels === undefined) return undefined;
  if (Array.isArray(classLabels) && classLabels.length === count) return [...classLabels];
  throw invalidArgument("classLabels", `an array of ${count}, one for each image`, classLabels);
}

async function addButterflies(handle: DatasetHandle, options: SourceOptions): Promise<undefined> {
  const { size = 1000, seed = 0, signal } = options;
  checkInteger("size", size, 1);
  checkInteger("seed", seed, 0);
  const portion = 50; // short enough for a page to stay alive and for an abort to be heard
  for (let first = 0; first < size; first += portion) {
    signal?.throwIfAborted();
    await enqueue(() => handle.addButterflies(first, Math.min(portion, size - first), seed));
  }
}
