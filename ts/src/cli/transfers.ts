/** Downloads and uploads on standard error: one bar for all files of a source. */
import type { HubProgress } from "../platform/hub.js";
import { showProgress } from "./progress.js";

const MILLISECONDS_BETWEEN_UPDATES = 1000;
const MEGABYTE = 1_000_000;

/** Shows the transfers of `work`, in megabytes; those that take less than a second are not mentioned. */
export async function withTransfers<T>(
  label: string,
  work: (onProgress: (progress: HubProgress) => void) => Promise<T>,
): Promise<T> {
  const files = new Map<string, HubProgress>();
  const progress = showProgress(`${label}, MB`);
  let shown = performance.now();
  try {
    return await work((update) => {
      files.set(update.file, { ...update });
      if (performance.now() - shown < MILLISECONDS_BETWEEN_UPDATES) return;
      shown = performance.now();
      const sum = (key: "loaded" | "total"): number =>
        Math.ceil([...files.values()].reduce((all, file) => all + file[key], 0) / MEGABYTE);
      progress.update(sum("loaded"), sum("total"), update.file);
    });
  } finally {
    progress.stop();
  }
}
