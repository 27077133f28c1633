/** The `checkpoint-<step>` folders of a run: written whole or not at all, checked before they are used. */
import { EmberwingError } from "../errors.js";
import type { Files } from "../platform/files.js";

/** Says which files belong to a checkpoint and what is in them; written last. */
const MANIFEST = "checkpoint.json";
/** Where checkpoints of an earlier run go when a new one starts in the same folder. */
const EARLIER = "earlier";
const NAME = /^checkpoint-(0|[1-9]\d{0,14})$/;
/** Begun and never finished, or replaced and not yet removed. */
const LEFT_BEHIND = /^\.(checkpoint-\d+\.tmp|[\da-f-]{36}\.old)$/;

interface ManifestEntry {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** The files of a checkpoint by their names, such as `unet/config.json`. */
export type CheckpointContent = ReadonlyMap<string, Uint8Array>;

export interface FoundCheckpoint {
  path: string;
  content: CheckpointContent;
}

/** The checkpoints in one output folder. */
export class Checkpoints {
  readonly #files: Files;
  readonly #directory: string;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /**
   * Writes one, then removes the oldest that are more than `limit`.
   *
   * @param content Told one after the other, so that only one is in memory.
   * @returns Its folder.
   */
  async save(
    step: number,
    content: AsyncIterable<readonly [name: string, content: Uint8Array | string]>,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<string> {
    const unfinished = this.#path(`.checkpoint-${step}.tmp`);
    const path = this.#path(`checkpoint-${step}`);
    await this.#files.removeFolder(unfinished);
    const manifest: Record<string, ManifestEntry> = {};
    try {
      for await (const [name, part] of content) {
        const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
        await this.#files.write(this.#files.join(unfinished, name), bytes);
        manifest[name] = await describeContent(bytes);
      }
      const text = `${JSON.stringify({ step, files: manifest }, null, 2)}\n`;
      await this.#files.write(this.#files.join(unfinished, MANIFEST), text);
      await this.#files.moveFolder(unfinished, path);
    } catch (error) {
      // What it took of a full disk is given back; the reason of the failure matters more than a second one.
      await this.#files.removeFolder(unfinished).catch(() => undefined);
      throw error;
    }
    await this.#prune(step, limit);
    return path;
  }

  /**
   * The newest whole one.
   *
   * @param onDamaged Told of newer ones that are damaged.
   */
  async latest(onDamaged: (problem: string) => void): Promise<FoundCheckpoint | undefined> {
    for (const step of (await this.#steps()).reverse()) {
      try {
        return await this.read(this.#path(`checkpoint-${step}`));
      } catch (error) {
        if (!(error instanceof EmberwingError)) throw error;
        onDamaged(error.message);
      }
    }
    return undefined;
  }

  /** The one of this name in the output folder, or in the folder of this path. */
  async named(name: string): Promise<FoundCheckpoint> {
    const inside = (await this.#files.listFolders(this.#directory)).includes(name);
    return this.read(inside ? this.#path(name) : name);
  }

  /**
   * @throws `MissingFile` where there is none, `InvalidFile` where a file is not what was written.
   */
  async read(path: string): Promise<FoundCheckpoint> {
    const manifest = parseManifest(path, await this.#files.read(this.#files.join(path, MANIFEST)));
    const content = new Map<string, Uint8Array>();
    for (const [name, expected] of Object.entries(manifest)) {
      const file = this.#files.join(path, name);
      const bytes = await this.#files.read(file);
      const { sha256 } = await describeContent(bytes);
      if (bytes.length !== expected.bytes || sha256 !== expected.sha256) throw damaged(file, bytes.length, expected);
      content.set(name, bytes);
    }
    return { path, content };
  }

  /** Removes what a killed run left unfinished. */
  async clean(): Promise<void> {
    const folders = await this.#files.listFolders(this.#directory);
    for (const name of folders.filter((name) => LEFT_BEHIND.test(name))) {
      await this.#files.removeFolder(this.#path(name));
    }
  }

  /**
   * Moves the checkpoints of an earlier run out of the way of a new one: "latest" must not mean theirs.
   *
   * @returns The folder that holds them, if there were any.
   */
  async setAside(): Promise<string | undefined> {
    const steps = await this.#steps();
    if (steps.length === 0) return undefined;
    const earlier = this.#path(EARLIER);
    await this.#files.removeFolder(earlier);
    await this.#files.makeWritable(earlier);
    for (const step of steps) {
      const name = `checkpoint-${step}`;
      await this.#files.moveFolder(this.#path(name), this.#files.join(earlier, name));
    }
    return earlier;
  }

  /** Those after `step`, which a run that was resumed before them left behind, go first; then the oldest. */
  async #prune(step: number, limit: number): Promise<void> {
    const steps = await this.#steps();
    const kept = steps.filter((candidate) => candidate <= step).slice(-limit);
    const surplus = steps.length > limit ? steps.filter((candidate) => !kept.includes(candidate)) : [];
    for (const candidate of surplus) await this.#files.removeFolder(this.#path(`checkpoint-${candidate}`));
  }

  /** Ascending. */
  async #steps(): Promise<number[]> {
    const names = await this.#files.listFolders(this.#directory);
    return names
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  #path(name: string): string {
    return this.#files.join(this.#directory, name);
  }
}

async function describeContent(bytes: Uint8Array): Promise<ManifestEntry> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return { bytes: bytes.length, sha256: Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("") };
}

function parseManifest(path: string, bytes: Uint8Array): Record<string, ManifestEntry> {
  try {
    const { files } = JSON.parse(new TextDecoder().decode(bytes)) as { files: Record<string, ManifestEntry> };
    const entries = Object.entries(files);
    if (entries.length > 0 && entries.every(([name, entry]) => isInside(name) && isEntry(entry))) return files;
  } catch {
    // Said below, like a list without files.
  }
  throw new EmberwingError("InvalidFile", `${path}: ${MANIFEST} is damaged`);
}

/** It becomes a path: it must not lead out of the checkpoint. */
function isInside(name: string): boolean {
  return name.split("/").every((part) => !/^\.{0,2}$|[\\:\0]/.test(part));
}

function isEntry({ bytes, sha256 }: ManifestEntry): boolean {
  return Number.isSafeInteger(bytes) && typeof sha256 === "string";
}

function damaged(file: string, length: number, expected: ManifestEntry): EmberwingError {
  const problem =
    length === expected.bytes ? "its content has changed" : `expected ${expected.bytes} bytes, found ${length}`;
  return new EmberwingError("InvalidFile", `${file}: damaged since it was written (${problem})`);
}
