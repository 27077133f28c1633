import type { Callback } from "../callback.js";
import type { UNet2DModelHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import { invalidArgument } from "../errors.js";
import type { FloatType } from "../float-type.js";
import type { UNet2DModelConfig } from "../generated/UNet2DModelConfig.js";
import { checkNumber, checkOptions, toJson } from "../options.js";
import type { HubOptions } from "../platform/hub.js";
import {
  openDestination,
  SAVE_OPTIONS,
  type SavedFile,
  type SavePretrainedOptions,
  type SaveTarget,
} from "../pretrained/destination.js";
import { HUB_OPTIONS, openFolder, type PretrainedSource, readText, tellWarning } from "../pretrained/folder.js";
import { readWeights, removeStaleShards, WEIGHTS_FILE } from "../pretrained/weights.js";
import { type Generator, resolveGenerator } from "../random/generator.js";
import { Resource } from "../resource.js";
import {
  checkSameShape,
  checkTensor,
  type PerSample,
  perSampleValues,
  shapeOf,
  type Tensor,
  takeValues,
} from "../tensor.js";
import { Prediction } from "./prediction.js";

const CONFIG_FILE = "config.json";

/** Where a model lives, and how it calculates there. */
export interface DeviceOptions {
  /** One of `devices()`, or a short name: see there. Default: `"cpu"`. */
  device?: string;
  /**
   * The number format of activations, which decides what training needs of memory; weights, sums, and what goes in and comes out
   * stay float32, and calculations too. `"float16"` is for graphics cards: half the memory, 11 bits between the layers;
   * `backward` scales the loss by itself, so that training works as before. `"bfloat16"` is for the processor: half the memory, 8
   * bits between the layers. Default: `"float32"`.
   */
  dtype?: FloatType;
}

/** Where a new model lives and where its first weights come from. */
export interface CreateOptions extends DeviceOptions {
  /** Draws the weights: torch's default initialisation, so that a seed gives PyTorch's. Default: a random seed. */
  generator?: Generator;
}

export interface LoadModelOptions extends DeviceOptions, HubOptions {
  /** The folder inside the source that holds the model. */
  subfolder?: string;
  /** Takes the files of a variant, such as `"fp16"`. */
  variant?: string;
  /** Told of tensors and options in the files that the model does not have. Default: `console.warn`. */
  onWarning?: Callback<string>;
}

export interface ForwardOptions {
  /** What `classEmbedType` asks for: class numbers, or numbers that are embedded themselves. */
  classLabels?: PerSample;
}

/** One training step's input; tensors are NCHW. */
export interface BackwardOptions extends ForwardOptions {
  /** The noisy batch. */
  sample: Tensor;
  /** One timestep, or one for each sample. */
  timesteps: PerSample;
  /** What the model should have said, shaped like its output. */
  target: Tensor;
  /** A factor for each sample's squared error. */
  weights?: readonly number[] | Float32Array;
}

/**
 * The UNet of unconditional image generation: from a noisy batch and its timesteps to the noise in it
 * (diffusers' `UNet2DModel`).
 *
 * @example
 * const unet = await UNet2DModel.create({
 *   sampleSize: 32,
 *   blockOutChannels: [64, 128, 128, 256],
 *   downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
 *   upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
 * });
 * const output = await unet.forward(new Generator(0).randn([8, 3, 32, 32]), 10); // shape [8, 3, 32, 32]
 */
export class UNet2DModel extends Resource<UNet2DModelHandle> {
  /** The class's name in diffusers, in files and in `model_index.json`. */
  static readonly className = "UNet2DModel";

  /** All options with their values. */
  readonly config: Readonly<UNet2DModelConfig>;
  /** The device that it lives on. */
  readonly device: string;
  /** The number format of its activations. */
  readonly dtype: FloatType;
  readonly #pythonConfig: string;
  readonly #parameters: readonly { name: string; shape: number[] }[];

  private constructor(handle: UNet2DModelHandle) {
    super(handle);
    this.config = Object.freeze(JSON.parse(call(() => handle.config())) as UNet2DModelConfig);
    this.device = call(() => handle.device());
    this.dtype = call(() => handle.dtype()) as FloatType;
    this.#pythonConfig = call(() => handle.pythonConfig());
    this.#parameters = JSON.parse(call(() => handle.parameterList()));
  }

  /** @internal Takes over a handle. */
  static of(handle: UNet2DModelHandle): UNet2DModel {
    return new UNet2DModel(handle);
  }

  /**
   * A model with random weights.
   *
   * @param config Any part of the options; the others take diffusers' defaults.
   * @throws `Unsupported` where the device does not calculate with `dtype`.
   */
  static async create(config: Partial<UNet2DModelConfig> = {}, options: CreateOptions = {}): Promise<UNet2DModel> {
    checkOptions("options", options, ["device", "dtype", "generator"]);
    const { device = "", dtype = "float32" } = options;
    const generator = resolveGenerator({ generator: options.generator });
    const json = toJson(config);
    return new UNet2DModel(await enqueue(() => generator.handle.createUNet2DModel(json, device, dtype)));
  }

  /** Another model with the configuration of one, and random weights of its own. */
  static fromConfig(config: UNet2DModel | Partial<UNet2DModelConfig>, options?: CreateOptions): Promise<UNet2DModel> {
    return UNet2DModel.create(config instanceof UNet2DModel ? config.config : config, options);
  }

  /**
   * Reads `config.json` and the weights beside it: safetensors or `.bin`, whole or sharded.
   *
   * @param source A folder's path, `"hub:owner/name"`, or the files that were picked in a page.
   * @throws `MissingFile` that lists what was looked for and what lies there; `InvalidFile` for foreign content;
   *   `Unsupported` where the device does not calculate with `dtype`.
   */
  static async fromPretrained(source: PretrainedSource, options: LoadModelOptions = {}): Promise<UNet2DModel> {
    checkOptions("options", options, ["subfolder", "device", "dtype", "variant", "onWarning", ...HUB_OPTIONS]);
    const { subfolder, device = "", dtype = "float32", variant, onWarning, ...hubOptions } = options;
    const root = openFolder(source, hubOptions);
    const folder = subfolder ? root.subfolder(subfolder) : root;
    const config = await readText(folder, CONFIG_FILE);
    const weights = await readWeights(folder, variant, (weights) => weights.wantUNet2DModel(config, device));
    try {
      const model = new UNet2DModel(await enqueue(() => weights.createUNet2DModel(config, device, dtype)));
      const warning = call(() => model.handle.warning());
      await tellWarning(folder, warning, onWarning).catch((error: unknown) => {
        model.dispose();
        throw error;
      });
      return model;
    } finally {
      void enqueue(() => weights.dispose());
    }
  }

  /**
   * The options in a `config.json`, for `create`: diffusers' `load_config`.
   *
   * @param source A folder's path, `"hub:owner/name"`, or the files that were picked in a page.
   */
  static async loadConfig(
    source: PretrainedSource,
    options: Pick<LoadModelOptions, "subfolder" | "onWarning" | keyof HubOptions> = {},
  ): Promise<Partial<UNet2DModelConfig>> {
    checkOptions("options", options, ["subfolder", "onWarning", ...HUB_OPTIONS]);
    const { subfolder, onWarning, ...hubOptions } = options;
    const root = openFolder(source, hubOptions);
    const folder = subfolder ? root.subfolder(subfolder) : root;
    const text = await readText(folder, CONFIG_FILE);
    const warning = call((core) => core.modelConfigWarning(CONFIG_FILE, text));
    await tellWarning(folder, warning, onWarning);
    return JSON.parse(call((core) => core.modelConfig(CONFIG_FILE, text))) as Partial<UNet2DModelConfig>;
  }

  /**
   * Writes `config.json` and `diffusion_pytorch_model.safetensors` as diffusers does.
   *
   * @throws `InvalidArgument` where a weight is too large for `dtype`.
   */
  async savePretrained(target: SaveTarget, options: SavePretrainedOptions = {}): Promise<void> {
    checkOptions("options", options, SAVE_OPTIONS);
    const folder = openDestination(target);
    for await (const [name, content] of this.files(options)) await folder.write(name, content);
    await removeStaleShards(folder);
  }

  /** @internal The files of `savePretrained`, one after the other. */
  async *files({ dtype = "float32" }: SavePretrainedOptions = {}): AsyncGenerator<SavedFile, void, void> {
    yield [WEIGHTS_FILE, await enqueue(() => this.handle.safetensors(dtype))];
    yield [CONFIG_FILE, this.#pythonConfig];
  }

  /**
   * What the model says about a noisy batch.
   *
   * @param sample NCHW; the channels are `config.inChannels`, height and width divisible by 2^(levels − 1).
   * @param timesteps One, or one for each sample.
   * @param options `track: true` remembers the way there, so that `backward` can be called on the prediction.
   * @returns NCHW with `config.outChannels` channels.
   */
  forward(sample: Tensor, timesteps: PerSample, options: ForwardOptions & { track: true }): Promise<Prediction>;
  forward(sample: Tensor, timesteps: PerSample, options?: ForwardOptions & { track?: boolean }): Promise<Tensor>;
  async forward(
    sample: Tensor,
    timesteps: PerSample,
    options: ForwardOptions & { track?: boolean } = {},
  ): Promise<Tensor | Prediction> {
    checkOptions("options", options, ["classLabels", "track"]);
    checkTensor("sample", sample);
    const t = floats("timesteps", timesteps);
    const labels = floats("classLabels", options.classLabels ?? []);
    const [values, sizes] = [takeValues(sample), shapeOf(sample)];
    const [sampleShape, shape] = [[...sample.shape], this.#outputShape(sample)];
    if (options.track) {
      const handle = await enqueue(() => this.handle.forwardTracked(values, sizes, t, labels));
      return new Prediction(handle, this, shape, sampleShape);
    }
    return { data: await enqueue(() => this.handle.forward(values, sizes, t, labels)), shape };
  }

  /**
   * Forward pass, mean squared error against `target`, backward pass: adds to the gradients of the parameters.
   *
   * @returns The loss, before the optimizer's step.
   */
  async backward(options: BackwardOptions): Promise<{ loss: number }> {
    checkOptions("options", options, ["sample", "timesteps", "target", "weights", "classLabels"]);
    const { sample, timesteps, target, weights = [], classLabels = [] } = options;
    checkTensor("sample", sample);
    checkSameShape("target", target, "the model's output", this.#outputShape(sample));
    const t = floats("timesteps", timesteps);
    const labels = floats("classLabels", classLabels);
    const isList = Array.isArray(weights) || weights instanceof Float32Array;
    if (!isList) throw invalidArgument("weights", "an array of numbers", weights);
    const factors = floats("weights", weights);
    const [values, sizes, wanted] = [takeValues(sample), shapeOf(sample), takeValues(target)];
    const loss = await enqueue(() => this.handle.backward(values, sizes, t, wanted, factors, labels));
    return { loss };
  }

  /** All weights by their names in diffusers' files, in PyTorch's order and layout. */
  parameters(): Promise<Record<string, Tensor>> {
    return this.#collect((name) => this.handle.parameter(name));
  }

  /** The gradients that `backward` added up since `zeroGrad`, by parameter; zeros where there were none. */
  gradients(): Promise<Record<string, Tensor>> {
    return this.#collect((name) => this.handle.gradient(name));
  }

  /** Forgets the gradients. */
  zeroGrad(): Promise<void> {
    return enqueue(() => this.handle.zeroGrad());
  }

  /**
   * Shortens the gradients, all parameters together, to a length: torch's `clip_grad_norm_`.
   *
   * @returns Their length before.
   */
  async clipGradNorm(maxNorm: number): Promise<number> {
    checkNumber("maxNorm", maxNorm);
    return enqueue(() => this.handle.clipGradNorm(maxNorm));
  }

  /**
   * From now on `backward` recomputes activations, block by block, instead of keeping them: less memory, about a third
   * more time, the same gradients. `forward` with `track` is not concerned.
   */
  enableGradientCheckpointing(): Promise<void> {
    return enqueue(() => this.handle.setGradientCheckpointing(true));
  }

  disableGradientCheckpointing(): Promise<void> {
    return enqueue(() => this.handle.setGradientCheckpointing(false));
  }

  /** How many numbers there are to train. */
  countParameters(): number {
    return call(() => this.handle.countParameters());
  }

  #outputShape(sample: Tensor): number[] {
    return sample.shape.map((size, axis) => (axis === 1 ? this.config.outChannels : size));
  }

  async #collect(read: (name: string) => Promise<Float32Array>): Promise<Record<string, Tensor>> {
    const result: Record<string, Tensor> = {};
    for (const { name, shape } of this.#parameters) {
      result[name] = { data: await enqueue(() => read(name)), shape: [...shape] };
    }
    return result;
  }
}

function floats(argument: string, value: PerSample | Float32Array): Float32Array {
  return Float32Array.from(perSampleValues(argument, value));
}
