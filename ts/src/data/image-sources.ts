/** Encoded images one after the other, from a folder or from memory, and their way into a data set. */
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import type { Files } from "../platform/files.js";

export interface ImageOptions {
  /** Refuse images that do not decode. Default false: they are skipped with a warning. */
  strict?: boolean;
  /** Told of every skipped image. Default `console.warn`. */
  onWarning?: (message: string) => void;
  /** Stops the loading. */
  signal?: AbortSignal;
}

export interface EncodedImage {
  /** How messages call it. */
  name: string;
  /** The content of an image file. */
  bytes: Uint8Array;
}

const EXTENSION = /\.(png|jpe?g|webp|gif|bmp)$/i;

/** The image files in a folder and its subfolders, by name. */
export async function* folderImages(files: Files, directory: string): AsyncGenerator<EncodedImage> {
  const names = await files.list(directory, { recursive: true });
  if (names === undefined) throw new EmberwingError("MissingFile", `${directory}: there is no such folder`);
  const images = names.filter((name) => EXTENSION.test(name));
  if (images.length === 0) {
    const found = names.length === 0 ? "no files" : `only other files, such as ${names[0]}`;
    throw new EmberwingError(
      "MissingFile",
      `${directory}: expected PNG, JPEG, WebP, GIF or BMP images, found ${found}`,
    );
  }
  for (const name of images) yield { name, bytes: await files.read(files.join(directory, name)) };
}

export async function* memoryImages(list: readonly (Blob | Uint8Array)[]): AsyncGenerator<EncodedImage> {
  for (const [index, item] of list.entries()) {
    const name = item instanceof File ? item.name : `image ${index}`;
    if (item instanceof Uint8Array) yield { name, bytes: item };
    else if (item instanceof Blob) yield { name, bytes: new Uint8Array(await item.arrayBuffer()) };
    else throw invalidArgument(`source[${index}]`, "a Blob or Uint8Array with the content of an image file", item);
  }
}

/** Decodes images into a data set; those that do not decode are skipped, named, or refused. */
export async function addImages(
  handle: DatasetHandle,
  source: string,
  images: AsyncIterable<EncodedImage>,
  options: ImageOptions,
): Promise<void> {
  const { strict = false, onWarning = console.warn, signal } = options;
  let added = 0;
  for await (const { name, bytes } of images) {
    signal?.throwIfAborted();
    try {
      await enqueue(() => handle.addImage(name, bytes));
      added++;
    } catch (error) {
      if (strict || !(error instanceof EmberwingError) || error.code !== "InvalidImage") throw error;
      onWarning(`skipped ${error.message}`);
    }
  }
  if (added === 0) throw new EmberwingError("MissingFile", `${source}: expected at least one image that can be read`);
}
