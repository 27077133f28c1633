import type { Callback } from "../callback.js";
import { EmberwingError } from "../errors.js";
import { checkRepoId, type HubRepo } from "../hub/hub-repo.js";
import { MODEL_CARD, MODEL_CARD_OPTIONS, type ModelCardOptions, modelCard, SAMPLES } from "../hub/model-card.js";
import type { Image } from "../images.js";
import type { DeviceOptions } from "../models/unet-2d-model.js";
import { checkOptions } from "../options.js";
import { files } from "../platform/files.js";
import { type HubAccess, type HubOptions, hub, type PushResult } from "../platform/hub.js";
import {
  openDestination,
  SAVE_OPTIONS,
  type SavePretrainedOptions,
  type SaveTarget,
} from "../pretrained/destination.js";
import {
  HUB_OPTIONS,
  openFolder,
  type PretrainedFolder,
  type PretrainedSource,
  readText,
} from "../pretrained/folder.js";
import { isStaleShard, WEIGHTS_FILE } from "../pretrained/weights.js";
import type { RandomOptions } from "../random/generator.js";
import type { Tensor } from "../tensor.js";
import { formatModelIndex, MODEL_INDEX, type ModelIndex, parseModelIndex } from "./model-index.js";

/** A part of a pipeline that has its own folder in it. */
export interface PipelineComponent {
  savePretrained(target: SaveTarget, options?: SavePretrainedOptions): Promise<void>;
}

/** `device` and `dtype` are those of the models. */
export interface LoadPipelineOptions extends DeviceOptions, HubOptions {
  /** Takes the models' files of a variant, such as `"fp16"`. */
  variant?: string;
  /** Told, once for each part, of what its files hold and it does not have. Default: `console.warn`. */
  onWarning?: Callback<string>;
}

export interface PushToHubOptions extends HubAccess {
  /** Make the repository private, where it has to be made. Default false. */
  private?: boolean;
  /** Title of the commit. Default `"Upload DDPMPipeline with emberwing"`, with the pipeline's class. */
  commitMessage?: string;
  /** What the README.md says. Without it, a README.md that is there stays as it is. */
  modelCard?: ModelCardOptions;
}

/** Told after each step of a denoising loop; `step` counts from 1 to `total`. */
export interface StepProgress {
  step: number;
  timestep: number;
  total: number;
}

/** Options of `generate` that all pipelines have. */
export interface GenerateOptions extends RandomOptions {
  /** How many images. Default 1. */
  batchSize?: number;
  /** More steps take longer and are truer to the model. The default is the pipeline's. */
  numInferenceSteps?: number;
  /** `"image"`: `Image`s. `"tensor"`: shape [batch, height, width, channels], values in [0, 1]. */
  outputType?: "image" | "tensor";
  /** Told after each step, and awaited. */
  onStep?: Callback<StepProgress>;
  /** Stops after the step that is under way; `generate` then rejects with the signal's `reason`. */
  signal?: AbortSignal;
}

interface PipelineClass<P> {
  readonly className: string;
  readonly prototype: P;
}

/** What every component's class has. */
interface ComponentClass {
  readonly className: string;
}

/**
 * What all pipelines share: models and a scheduler that were trained together, loaded and saved as one folder.
 *
 * @example
 * const pipeline = await DiffusionPipeline.fromPretrained("my_pipeline");
 * const { images } = await pipeline.generate({ batchSize: 4, seed: 0 });
 */
export abstract class DiffusionPipeline {
  /** The class's name in diffusers and in `model_index.json`. */
  static readonly className: string = "DiffusionPipeline";

  /** The parts, by their names in `model_index.json`. */
  abstract get components(): Record<string, PipelineComponent>;

  abstract generate(options?: GenerateOptions & { outputType?: "image" }): Promise<{ images: Image[] }>;
  abstract generate(options: GenerateOptions & { outputType: "tensor" }): Promise<{ images: Tensor }>;

  /**
   * Loads a folder that diffusers or emberwing saved; a part without a folder of its own is looked for in the root.
   * Called on `DiffusionPipeline`, the folder's `model_index.json` chooses the class.
   *
   * @param source A folder's path, `"hub:owner/name"`, or the files that were picked in a page.
   * @throws `MissingFile`, `InvalidFile`, `InvalidConfig`, `Network`, `AccessDenied`, or `Unsupported` for classes that emberwing does not have.
   */
  static async fromPretrained<P extends DiffusionPipeline>(
    this: PipelineClass<P>,
    source: PretrainedSource,
    options: LoadPipelineOptions = {},
  ): Promise<P> {
    checkOptions("options", options, ["device", "dtype", "variant", "onWarning", ...HUB_OPTIONS]);
    const { device, dtype, variant, onWarning, ...hubOptions } = options;
    const folder = openFolder(source, hubOptions);
    const index = parseModelIndex(await readModelIndex(folder));
    // Loaded here: the registry's classes extend this one.
    const { findPipeline, loadComponent } = await import("./registry.js");
    const construct = findPipeline((this as object) === DiffusionPipeline ? index.className : this.className);
    const parts: Record<string, PipelineComponent> = {};
    for (const [name, className] of Object.entries(index.components)) {
      parts[name] = await loadComponent(name, className, () => componentFolder(folder, name), {
        device,
        dtype,
        variant,
        onWarning,
      });
    }
    return construct(parts) as DiffusionPipeline as P;
  }

  /**
   * Writes each part into its folder, then `model_index.json`, all as diffusers does.
   *
   * @example
   * await pipeline.savePretrained("butterflies-half", { dtype: "float16" });
   */
  async savePretrained(target: SaveTarget, options: SavePretrainedOptions = {}): Promise<void> {
    checkOptions("options", options, SAVE_OPTIONS);
    const folder = openDestination(target);
    for (const [name, component] of Object.entries(this.components)) {
      await component.savePretrained(folder.saveFolder(name), options);
    }
    await folder.write(MODEL_INDEX, formatModelIndex(this.#index()));
  }

  /**
   * Writes the pipeline to a repository on the hub, as `savePretrained` does to a folder, with a model card. Makes the
   * repository where it is missing, uploads the files that differ, and changes it with one commit, or not at all.
   *
   * @param repoId `owner/name`; a name alone is the token's user's.
   * @throws `AccessDenied` without a token that may write there; `Network` where the hub fails; the signal's `reason`.
   *
   * @example
   * const { url } = await pipeline.pushToHub("me/butterflies", { modelCard: { license: "apache-2.0", samples } });
   */
  async pushToHub(repoId: string, options: PushToHubOptions = {}): Promise<PushResult> {
    checkOptions("options", options, ["token", "signal", "onProgress", "private", "modelCard", "commitMessage"]);
    const { token, signal, onProgress, private: isPrivate = false, modelCard: card = {} } = options;
    checkOptions("modelCard", card, MODEL_CARD_OPTIONS);
    const { commitMessage: message = `Upload ${className(this)} with emberwing` } = options;
    const samples = card.samples?.toPNG(); // as it is now
    const door = hub(`pushing to ${repoId}`);
    const asked: HubRepo = { type: "model", id: checkRepoId("repoId", repoId) };
    const repo = await door.create(asked, { token, signal, private: isPrivate });
    return door.push(repo, {
      ...{ token, signal, onProgress, message },
      save: (directory) => this.#saveWithCard(directory, repo.id, card, samples),
      keep: options.modelCard === undefined ? [MODEL_CARD] : [],
      isStale: (path, saved) => isStaleShard(baseName(path)) && saved.includes(path.replace(/[^/]*$/, WEIGHTS_FILE)),
    });
  }

  async #saveWithCard(directory: string, repoId: string, card: ModelCardOptions, samples?: Uint8Array): Promise<void> {
    await this.savePretrained(directory);
    const target = files(`saving ${directory}`);
    await target.write(target.join(directory, MODEL_CARD), modelCard(repoId, className(this), card));
    if (samples) await target.write(target.join(directory, SAMPLES), samples);
  }

  #index(): ModelIndex {
    const names = Object.entries(this.components).map(([name, part]) => [name, className(part)]);
    return { className: className(this), components: Object.fromEntries(names) };
  }
}

function className(part: object): string {
  return (part.constructor as unknown as ComponentClass).className;
}

const baseName = (path: string): string => path.replace(/^.*\//, "");

async function readModelIndex(folder: PretrainedFolder): Promise<string> {
  const names = (await folder.fileNames()) ?? [];
  if (names.includes(MODEL_INDEX)) return readText(folder, MODEL_INDEX);
  const there: string[] = [];
  for (const part of ["unet", "scheduler"]) {
    if ((await folder.subfolder(part).fileNames()) !== undefined) there.push(`${part}/`);
  }
  if (there.length === 0) return readText(folder, MODEL_INDEX);
  throw new EmberwingError(
    "MissingFile",
    `${folder.path}: expected ${MODEL_INDEX}, found ${there.join(" and ")}: a pipeline's folder whose ${MODEL_INDEX} is missing`,
  );
}

const CONFIGS = ["config.json", "scheduler_config.json"];

/** Flat repositories keep the files of all parts in the root. */
async function componentFolder(root: PretrainedFolder, name: string): Promise<PretrainedFolder> {
  const folder = root.subfolder(name);
  if ((await folder.fileNames()) !== undefined) return folder;
  const names = (await root.fileNames()) ?? [];
  if (names.some((file) => CONFIGS.includes(file))) return root;
  throw new EmberwingError(
    "MissingFile",
    `${root.path}: expected the folder ${name}/, a part that ${MODEL_INDEX} names; beside it lie ${names.join(", ")}`,
  );
}
