/** Encoded images one after the other, from a folder or from memory, and their way into a data set. */
import type { Callback } from "../callback.js";
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import { EmberwingError } from "../errors.js";
import { encodedPicture, type PictureSource } from "../picture-sources.js";
import type { ReadableFiles } from "../platform/files.js";
import { type ClassLabel, folderClass } from "./class-labels.js";

/** What a source does with its images. */
export interface ImageOptions {
  /** Refuse images that do not decode. Default false: they are skipped with a warning. */
  strict?: boolean;
  /** Told of every skipped image. Default `console.warn`. */
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
  bytes: Uint8Array;
  /** Where classes were asked for. */
  label?: ClassLabel;
}

export const IMAGE_FILE = /\.(png|jpe?g|webp|gif|bmp)$/i;

/** The names of the image files in a folder and its subfolders, sorted. */
export async function imageNames(files: ReadableFiles, directory: string): Promise<string[]> {
  const names = await files.list(directory, { recursive: true });
  if (names === undefined) throw new EmberwingError("MissingFile", `${directory}: there is no such folder`);
  const images = names.filter((name) => IMAGE_FILE.test(name));
  if (images.length === 0) {
    const found = names.length === 0 ? "no files" : `only other files, such as ${names[0]}`;
    throw new EmberwingError(
      "MissingFile",
      `${directory}: expected PNG, JPEG, WebP, GIF or BMP images, found ${found}`,
    );
  }
  return images;
}

/** The files of these names; their folders are their classes where these are wanted. */
export async function* folderImages(
  files: ReadableFiles,
  directory: string,
  names: readonly string[],
  withClasses: boolean,
): AsyncGenerator<EncodedImage> {
  for (const name of names) {
    const label = withClasses ? { label: folderClass(name) } : {};
    yield { name, bytes: await files.read(files.join(directory, name)), ...label };
  }
}

export async function* memoryImages(
  list: readonly PictureSource[],
  labels: readonly ClassLabel[],
): AsyncGenerator<EncodedImage> {
  for (const [index, item] of list.entries()) {
    const name = item instanceof File ? item.name : item instanceof URL ? item.href : `image ${index}`;
    const given = labels[index];
    const label = given === undefined ? {} : { label: given };
    yield { name, bytes: await encodedPicture(`source[${index}]`, item), ...label };
  }
}

/**
 * Decodes images into a data set; those that do not decode are skipped, named, or refused.
 *
 * @returns The labels of those that were added, where there are any.
 */
export async function addImages(
  handle: DatasetHandle,
  source: string,
  images: AsyncIterable<EncodedImage>,
  options: ImageOptions,
): Promise<ClassLabel[]> {
  const { strict = false, onWarning = console.warn, signal } = options;
  let added = 0;
  const labels: ClassLabel[] = [];
  for await (const { name, bytes, label } of images) {
    signal?.throwIfAborted();
    try {
      await enqueue(() => handle.addImage(name, bytes));
      added++;
      if (label !== undefined) labels.push(label);
    } catch (error) {
      if (strict || !(error instanceof EmberwingError) || error.code !== "InvalidImage") throw error;
      await onWarning(`skipped ${error.message}`);
    }
  }
  if (added === 0) throw new EmberwingError("MissingFile", `${source}: expected at least one image that can be read`);
  return labels;
}
