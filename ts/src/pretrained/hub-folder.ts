/** A repository on the hub as a folder to load from: only the files that are read are downloaded. */
import { hubRepo } from "../hub/hub-repo.js";
import type { OpenFile } from "../platform/files.js";
import { type HubOptions, type HubSnapshot, hub } from "../platform/hub.js";
import type { PretrainedFolder } from "./folder.js";

export function hubFolder(source: `hub:${string}`, options: HubOptions): PretrainedFolder {
  const repo = hubRepo("model", source);
  return new HubFolder({ source, door: () => hub(`loading ${source}`).open(repo, options), note: "" }, "");
}

/** A repository that is opened when its files are first asked for. */
interface Opening {
  readonly source: string;
  readonly door: () => Promise<HubSnapshot>;
  snapshot?: Promise<HubSnapshot>;
  note: string;
}

class HubFolder implements PretrainedFolder {
  readonly #opening: Opening;
  /** Empty for the root, otherwise with a slash at its end. */
  readonly #prefix: string;

  constructor(opening: Opening, prefix: string) {
    this.#opening = opening;
    this.#prefix = prefix;
  }

  get path(): string {
    const { source, note } = this.#opening;
    return `${source}/${this.#prefix}`.slice(0, -1) + note;
  }

  async fileNames(): Promise<string[] | undefined> {
    const { paths } = await this.#open();
    const inside = paths.filter((path) => path.startsWith(this.#prefix)).map((path) => path.slice(this.#prefix.length));
    if (inside.length === 0 && this.#prefix !== "") return undefined;
    return inside.filter((path) => !path.includes("/")).sort();
  }

  async read(name: string): Promise<Uint8Array> {
    const snapshot = await this.#open();
    return snapshot.disk.read(await snapshot.file(this.#prefix + name));
  }

  async open(name: string): Promise<OpenFile> {
    const snapshot = await this.#open();
    return snapshot.disk.open(await snapshot.file(this.#prefix + name));
  }

  subfolder(name: string): PretrainedFolder {
    return new HubFolder(this.#opening, `${this.#prefix}${name}/`);
  }

  async #open(): Promise<HubSnapshot> {
    this.#opening.snapshot ??= this.#opening.door();
    const snapshot = await this.#opening.snapshot;
    this.#opening.note = snapshot.note;
    return snapshot;
  }
}
