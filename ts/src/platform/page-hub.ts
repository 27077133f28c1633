/** The hub in a page or a worker. Imported by `browser.ts` alone; what it does is loaded at the first use. */
import { EmberwingError } from "../errors.js";
import type { HubRepo } from "../hub/hub-repo.js";
import type { Hub } from "./hub.js";

/** @param endpoint Another hub than Hugging Face's. */
export function pageHub(endpoint: string | undefined): Hub {
  return {
    open: async (repo, options) => (await import("./page-hub/place.js")).openInPage(repo, options, endpoint),
    create: async (repo) => Promise.reject(noPush(repo)),
    push: async (repo) => Promise.reject(noPush(repo)),
  };
}

function noPush({ id }: HubRepo): EmberwingError {
  return new EmberwingError(
    "Unsupported",
    `pushing to ${id}: pages only load from the hub; save the pipeline as a zip file, and push it in Node`,
  );
}
