/** Pictures as pages and programs have them, all made into the content of a picture file, which the core decodes. */
import { EmberwingError, invalidArgument } from "./errors.js";
import { checkAttached, isDetached } from "./tensor.js";

/**
 * The content of a PNG, JPEG, WebP, GIF or BMP file (`File`, `Blob`, `Uint8Array`), its address, the pixels of a canvas,
 * or a bitmap. What is transparent is laid on white.
 */
export type PictureSource = Blob | Uint8Array | URL | ImageDataSource | ImageBitmap;

/** A canvas's `ImageData`, or an object with its fields: RGBA, rows from the top. */
export interface ImageDataSource {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The picture as it is now: it is read later. */
export function takePicture(argument: string, source: PictureSource): PictureSource {
  const pixels = isImageData(source) ? source.data : source;
  if (!ArrayBuffer.isView(pixels)) return source;
  checkAttached(argument, pixels);
  const data = new Uint8Array(pixels);
  return isImageData(source) ? { data, width: source.width, height: source.height } : data;
}

/** @param argument How errors call it. */
export async function encodedPicture(argument: string, source: PictureSource): Promise<Uint8Array> {
  if (!isPictureSource(source)) throw invalidArgument(argument, `a picture (${PICTURE_SOURCES})`, source);
  if (source instanceof Uint8Array) return source;
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (source instanceof URL) return fetchPicture(source);
  return bitmapFile(isBitmap(source) ? pixelsOf(source) : source);
}

/** Their names, for messages. */
export const PICTURE_SOURCES = "File, Blob, Uint8Array, URL, ImageData or ImageBitmap";

export function isPictureSource(value: unknown): value is PictureSource {
  const isFile = value instanceof Uint8Array || value instanceof Blob || value instanceof URL;
  return isFile || isBitmap(value) || isImageData(value);
}

function isBitmap(value: unknown): value is ImageBitmap {
  return typeof ImageBitmap === "function" && value instanceof ImageBitmap;
}

function isImageData(source: unknown): source is ImageDataSource {
  const { data, width, height } = (source ?? {}) as Partial<ImageDataSource>;
  const isBytes = data instanceof Uint8ClampedArray || data instanceof Uint8Array;
  return isBytes && (isDetached(data) || (data.length > 0 && data.length === 4 * Number(width) * Number(height)));
}

async function fetchPicture(url: URL): Promise<Uint8Array> {
  const response = await fetch(url).catch((error: Error) => {
    const advice = "see that the address is right and that its server allows other sites to read it (CORS)";
    throw new EmberwingError("InvalidFile", `${url}: cannot be fetched (${error.message}): ${advice}`, {
      cause: error,
    });
  });
  if (!response.ok) throw new EmberwingError("MissingFile", `${url}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

function pixelsOf(bitmap: ImageBitmap): ImageDataSource {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { colorSpace: "srgb" });
  if (!context) throw new EmberwingError("Unsupported", "this browser cannot read the pixels of a bitmap");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

const FILE_HEADER = 14;
/** BITMAPV4HEADER, the first that knows transparency. */
const INFO_HEADER = 108;
const BI_BITFIELDS = 3;
const LCS_SRGB = 0x73524742;

/** Pixels as a BMP file of 32 bits a pixel: the format that holds them as they are. */
function bitmapFile({ data, width, height }: ImageDataSource): Uint8Array {
  const offset = FILE_HEADER + INFO_HEADER;
  const file = new Uint8Array(offset + data.length);
  const view = new DataView(file.buffer);
  view.setUint16(0, 0x424d); // "BM"
  view.setUint32(2, file.length, true);
  view.setUint32(10, offset, true);
  view.setUint32(14, INFO_HEADER, true);
  view.setInt32(18, width, true);
  view.setInt32(22, -height, true); // rows from the top
  view.setUint16(26, 1, true);
  view.setUint16(28, 32, true);
  view.setUint32(30, BI_BITFIELDS, true);
  view.setUint32(34, data.length, true);
  // Which bits of a pixel are red, green, blue and opacity: the bytes in this order.
  for (let channel = 0; channel < 4; channel++) view.setUint32(54 + 4 * channel, 0xff << (8 * channel), true);
  view.setUint32(70, LCS_SRGB, true);
  file.set(data, offset);
  return file;
}
