/** The hub in Node. Imported by `node.ts` alone; all of it is loaded at the first use, so that a start costs nothing. */
import type { Hub } from "./hub.js";

export const nodeHub: Hub = {
  open: async (repo, options) => (await import("./node-hub/place.js")).openOnDisk(repo, options),
  create: async (repo, options) => (await import("./node-hub/create-repo.js")).createRepo(repo, options),
  push: async (repo, push) => (await import("./node-hub/push.js")).pushFiles(repo, push),
};
