/** Encoded images one after the other, wherever they come from, and their way into a data set. */
import type { Callback } from "../callback.js";
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import { EmberwingError } from "../errors.js";
import { encodedPicture, type PictureSource } from "../picture-sources.js";
import type { ClassLabel } from "./class-labels.js";

/** What a source does with its images. */
export interface ImageOptions {
  /** Refuse images that cannot be read or do not decode. Default false: they are skipped with a warning. */
  strict?: boolean;
  /** Told of every skipped image, and of what else is left aside. Default `console.warn`. */
  onWarning?: Callback<string>;
  /** Stops the loading. */
  signal?: AbortSignal;
}

/** What one does that is on disk. */
export interface StoredImageOptions extends ImageOptions {
  /**
   * Leave the images on disk: threads read them ahead of the training step, each time that they are drawn, so that
   * memory does not grow with the set. An image that does not decode is then found when it is drawn; the next one
   * takes its place. Default false: all are read now and held in memory, at their new size.
   */
  streaming?: boolean;
}

export interface EncodedImage {
  /** How messages call it. */
  name: string;
  /** The content of an image file. */
  read(): Promise<Uint8Array>;
  /** Where classes were asked for. */
  label?: ClassLabel;
}

export async function* memoryImages(
  list: readonly PictureSource[],
  labels: readonly ClassLabel[],
): AsyncGenerator<EncodedImage> {
  for (const [index, item] of list.entries()) {
    const name = item instanceof File ? item.name : item instanceof URL ? item.href : `image ${index}`;
    const given = labels[index];
    const label = given === undefined ? {} : { label: given };
    yield { name, read: () => encodedPicture(`source[${index}]`, item), ...label };
  }
}

/**
 * Decodes images into a data set; those that cannot be read or do not decode are skipped, named, or refused.
 *
 * @returns The labels of those that were added, where there are any.
 */
export async function addImages(
  handle: DatasetHandle,
  source: string,
  images: AsyncIterable<EncodedImage>,
  options: ImageOptions,
): Promise<ClassLabel[]> {
  const labels: ClassLabel[] = [];
  await takeImages(source, images, options, async ({ name, read, label }) => {
    const bytes = await read();
    await enqueue(() => handle.addImage(name, bytes));
    if (label !== undefined) labels.push(label);
  });
  return labels;
}

/**
 * Hands images to `take` one after the other.
 *
 * @throws `MissingFile` where not one was taken.
 */
export async function takeImages(
  source: string,
  images: AsyncIterable<EncodedImage>,
  { strict = false, onWarning = console.warn, signal }: ImageOptions,
  take: (image: EncodedImage) => Promise<void>,
): Promise<void> {
  let taken = 0;
  let firstProblem: string | undefined;
  for await (const image of images) {
    signal?.throwIfAborted();
    try {
      await take(image);
      taken++;
    } catch (error) {
      if (strict || !isOfImage(error)) throw error;
      const { message } = error;
      const problem = message.includes(image.name) ? message : `${image.name}: ${message}`;
      firstProblem ??= problem;
      await onWarning(`skipped ${problem}`);
    }
  }
  if (taken > 0) return;
  const found = firstProblem === undefined ? "found none" : `but ${firstProblem}`;
  throw new EmberwingError("MissingFile", `${source}: expected at least one image that can be read, ${found}`);
}

/** An error that says something of one image: others can do without it. */
function isOfImage(error: unknown): error is EmberwingError {
  return error instanceof EmberwingError && ["InvalidImage", "InvalidFile", "MissingFile"].includes(error.code);
}
