/** The browser's Cache storage, which keeps answers by addresses, as a place for contents by paths. */
import { EmberwingError } from "../../errors.js";

/** Whole contents. */
export const STORAGE = "emberwing-hub";
/** Contents that are not whole yet. */
export const PARTS = "emberwing-hub-parts";

/** No server has such an address. */
const ORIGIN = "https://hub.invalid/";

export function addressOf(path: string): string {
  return ORIGIN + path.split("/").map(encodeURIComponent).join("/");
}

export function pathOf(address: string): string {
  return decodeURIComponent(address.slice(ORIGIN.length));
}

/** @throws `WriteFailed` where the browser keeps no more. */
export async function put(cache: Cache, path: string, content: BodyInit): Promise<void> {
  try {
    await cache.put(addressOf(path), new Response(content));
  } catch (error) {
    const { name, message } = error as DOMException;
    const reason = name === "QuotaExceededError" ? "the page's storage is full" : message || name;
    throw new EmberwingError("WriteFailed", `${path}: the page's cache cannot keep it (${reason})`, { cause: error });
  }
}
