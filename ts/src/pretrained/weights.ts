/** The weight files of one model folder: which ones a load takes, and what a save leaves behind. */
import type { WeightsHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import { EmberwingError } from "../errors.js";
import type { SaveFolder } from "./destination.js";
import { missing, openFile, type PretrainedFolder, readText } from "./folder.js";

/** Where a save puts the weights. */
export const WEIGHTS_FILE = "diffusion_pytorch_model.safetensors";
const BIN = "diffusion_pytorch_model.bin";

/**
 * Reads the weights of a model folder, in diffusers' order of choice: sharded or single safetensors, then the same
 * as `.bin`.
 *
 * @param variant `"fp16"` takes `diffusion_pytorch_model.fp16.safetensors` and its like.
 * @param prepare Says which tensors are wanted, where not all are.
 */
export async function readWeights(
  folder: PretrainedFolder,
  variant?: string,
  prepare?: (weights: WeightsHandle) => Promise<void>,
): Promise<WeightsHandle> {
  const weights = call((core) => new core.Weights());
  try {
    const names = await weightFiles(folder, variant);
    if (prepare) await enqueue(() => prepare(weights));
    for (const name of names) await readFile(weights, folder, name);
    return weights;
  } catch (error) {
    void enqueue(() => weights.dispose());
    throw error;
  }
}

/** In the parts that the core asks for, so that no more of a file is in memory than its tensors. */
async function readFile(weights: WeightsHandle, folder: PretrainedFolder, name: string): Promise<void> {
  const file = await openFile(folder, name);
  try {
    let wanted = await enqueue(() => weights.open(name, file.byteLength));
    for (;;) {
      const [start, end] = JSON.parse(wanted) as [number?, number?];
      if (start === undefined) return;
      const bytes = new Uint8Array(await file.slice(start, end));
      wanted = await enqueue(() => weights.feed(bytes));
    }
  } finally {
    await file.close();
  }
}

async function weightFiles(folder: PretrainedFolder, variant?: string): Promise<string[]> {
  const wanted = [`${WEIGHTS_FILE}.index.json`, WEIGHTS_FILE, `${BIN}.index.json`, BIN].map((name) =>
    withVariant(name, variant),
  );
  const names = await folder.fileNames();
  const chosen = wanted.find((name) => names?.includes(name));
  if (chosen === undefined) throw missing(folder, wanted, names);
  return chosen.endsWith(".json") ? shardFiles(folder, chosen, names ?? []) : [chosen];
}

async function shardFiles(folder: PretrainedFolder, index: string, names: string[]): Promise<string[]> {
  const text = await readText(folder, index);
  const shards = JSON.parse(call((core) => core.shardFiles(index, text))) as string[];
  const absent = shards.filter((shard) => !names.includes(shard));
  if (absent.length === 0) return shards;
  throw new EmberwingError(
    "MissingFile",
    `${folder.path}: ${index} names ${absent.join(", ")}, which is not there; found ${names.join(", ")}`,
  );
}

/** diffusers puts the variant before the last extension, also in the names of index files. */
function withVariant(name: string, variant: string | undefined): string {
  return variant === undefined ? name : name.replace(/\.([^.]*)$/, `.${variant}.$1`);
}

/** Removes the shards of an earlier save: a load would prefer their index to the file that was just written. */
export async function removeStaleShards(folder: SaveFolder): Promise<void> {
  const names = await folder.fileNames();
  for (const name of names.filter(isStaleShard)) await folder.remove(name);
}

/** Is it of a sharded save, and no longer true once a whole file lies beside it? */
export function isStaleShard(name: string): boolean {
  if (name === WEIGHTS_FILE) return false;
  return /^diffusion_pytorch_model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/.test(name);
}
