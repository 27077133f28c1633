/** The images in one value of a Parquet column, in all the ways that libraries write them. */
import { beginsAsImage } from "./image-formats.js";

/** Its content, or the name of its file, or neither. */
export interface ImageValue {
  bytes?: Uint8Array;
  path?: string;
}

/**
 * Bytes, base64, a path, Hugging Face's `{ bytes, path }` (or bytes under another name), or a list of these. Null is an
 * image without anything.
 */
export function imagesIn(value: unknown): ImageValue[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  if (value instanceof Uint8Array) return [{ bytes: value }];
  if (typeof value === "string") return [imageOfText(value)];
  const struct: Record<string, unknown> = { ...(value ?? {}) };
  const { path, bytes = Object.values(struct).find((part) => part instanceof Uint8Array) } = struct;
  const content = bytes === undefined || bytes === null ? {} : (imagesIn(bytes)[0] ?? {});
  return [{ ...(typeof path === "string" && { path }), ...content }];
}

function imageOfText(text: string): ImageValue {
  const coded = text.replace(/^data:[^,]*;base64,/, "");
  return codesImage(coded) ? { bytes: decodeBase64(coded) } : { path: text };
}

/** Whether the first bytes, of which base64 writes three as four letters, are those of an image. */
function codesImage(text: string): boolean {
  const start = text.slice(0, 64).replaceAll(/\s/g, "").slice(0, 24);
  return start.length === 24 && /^[\w+/-]+$/.test(start) && beginsAsImage(decodeBase64(start));
}

function decodeBase64(text: string): Uint8Array {
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  try {
    return Uint8Array.from(atob(standard), (letter) => letter.charCodeAt(0));
  } catch {
    // Damaged on the way: as an empty image it is named like any that does not decode.
    return new Uint8Array(0);
  }
}
