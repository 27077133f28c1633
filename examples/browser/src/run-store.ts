/** What is kept of a training run when the page is closed: in the browser's file system for this site (OPFS). */
import type { LossPoint, TrainingPlan } from "./training-plan.js";

/** The trainer's folder, with its checkpoints and at the end the pipeline. */
export const RUN_FOLDER = "run";
const RECORD = "run.json";
const PICTURES = "pictures";
const LOCK = "emberwing-demo";

/** What the page has to know besides what the trainer keeps. */
export interface RunRecord {
  readonly plan: TrainingPlan;
  /** Steps that the newest checkpoint holds. */
  readonly step: number;
  readonly finished: boolean;
  readonly losses: readonly LossPoint[];
}

export class RunStore {
  /** For `createWorker`: the trainer's paths start here. */
  readonly directory: FileSystemDirectoryHandle;

  constructor(directory: FileSystemDirectoryHandle) {
    this.directory = directory;
  }

  /** Undefined where the browser gives no place: in some private windows, and before Safari 26. */
  static async open(): Promise<RunStore | undefined> {
    try {
      if (!("createWritable" in FileSystemFileHandle.prototype)) return undefined;
      const root = await navigator.storage.getDirectory();
      return new RunStore(await root.getDirectoryHandle("emberwing-demo", { create: true }));
    } catch {
      return undefined;
    }
  }

  /**
   * Of all tabs one trains: a second one would take the first one's checkpoints away.
   *
   * @returns What ends it; the browser ends it with the page.
   */
  hold(): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const held = navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
        if (!lock) throw new Error("Another tab of this page is training. Please stop it there first.");
        return new Promise<void>((letGo) => resolve(letGo));
      });
      held.catch(reject);
    });
  }

  /** Whether a tab trains now. */
  async isHeld(): Promise<boolean> {
    const { held = [] } = await navigator.locks.query();
    return held.some(({ name }) => name === LOCK);
  }

  /** The last run, where there is one that got as far as a checkpoint. */
  async read(): Promise<RunRecord | undefined> {
    try {
      const file = await (await this.directory.getFileHandle(RECORD)).getFile();
      return JSON.parse(await file.text()) as RunRecord;
    } catch {
      // There was none, or the page was closed while the first one was written.
      return undefined;
    }
  }

  write(record: RunRecord): Promise<void> {
    return write(this.directory, RECORD, JSON.stringify(record));
  }

  /** Makes room for a new run, and keeps the pictures that it needs to go on. */
  async begin(pictures: readonly File[]): Promise<void> {
    await this.clear();
    if (pictures.length === 0) return;
    const folder = await this.directory.getDirectoryHandle(PICTURES, { create: true });
    for (const [index, file] of pictures.entries()) await write(folder, String(index), file);
  }

  /** Those of the last run, which the plan names. */
  async pictures(names: readonly string[]): Promise<File[]> {
    const folder = await this.directory.getDirectoryHandle(PICTURES);
    const files = names.map(async (name, index) => {
      const handle = await folder.getFileHandle(String(index));
      return new File([await handle.getFile()], name);
    });
    return Promise.all(files);
  }

  async clear(): Promise<void> {
    for (const name of [RECORD, RUN_FOLDER, PICTURES]) {
      await this.directory.removeEntry(name, { recursive: true }).catch(ignoreMissing);
    }
  }
}

function ignoreMissing(error: DOMException): void {
  if (error.name !== "NotFoundError") throw error;
}

async function write(folder: FileSystemDirectoryHandle, name: string, content: string | Blob): Promise<void> {
  const file = await folder.getFileHandle(name, { create: true });
  const stream = await file.createWritable();
  await stream.write(content);
  await stream.close();
}
