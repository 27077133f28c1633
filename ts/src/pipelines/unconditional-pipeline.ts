import { call } from "../engine.js";
import { EmberwingError, invalidArgument, tagOf } from "../errors.js";
import type { Image } from "../images.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkInstance, checkInteger, checkOptions } from "../options.js";
import { resolveGenerator } from "../random/generator.js";
import { Scheduler } from "../schedulers/scheduler.js";
import type { Tensor } from "../tensor.js";
import { denoise } from "./denoising.js";
import { DiffusionPipeline, type GenerateOptions } from "./diffusion-pipeline.js";
import { type PictureInput, picturesOf } from "./picture-input.js";
import { checkOutputType, outputOf } from "./pipeline-output.js";

/** The parts of an unconditional pipeline. */
export interface UnconditionalComponents {
  unet: UNet2DModel;
  scheduler: Scheduler;
}

export interface UnconditionalGenerateOptions extends GenerateOptions {
  /** The classes to paint, for models with `numClassEmbeds`: the images of each follow one another. */
  classLabels?: readonly number[];
  /** Images of each class. Default 1. */
  numPerClass?: number;
  /** For schedulers that have it, such as DDIM: 0 is deterministic. */
  eta?: number;
  /** Starts from this picture, with noise, in place of noise alone; a tensor has values in [−1, 1]. */
  image?: PictureInput;
  /**
   * With `image`: how much it is changed, above 0 and at most 1. The last ⌊numInferenceSteps·strength⌋ steps are done.
   * Default 0.8.
   */
  strength?: number;
}

export function checkComponents(components: UnconditionalComponents): UnconditionalComponents {
  if (tagOf(components) !== "Object") throw invalidArgument("components", "{ unet, scheduler }", components);
  checkInstance("unet", components.unet, "a UNet2DModel", UNet2DModel);
  checkInstance("scheduler", components.scheduler, "a scheduler", Scheduler);
  return components;
}

const DEFAULT_STRENGTH = 0.8;

/** Images from noise alone, or from other images; what DDPM and DDIM pipelines share. */
export abstract class UnconditionalPipeline extends DiffusionPipeline {
  readonly unet: UNet2DModel;
  /** May be replaced by any other; `fromConfig` makes one with the same noise schedule. */
  scheduler: Scheduler;
  readonly #defaultSteps: number;

  constructor(components: UnconditionalComponents, defaultSteps: number) {
    super();
    const { unet, scheduler } = checkComponents(components);
    this.unet = unet;
    this.scheduler = scheduler;
    this.#defaultSteps = defaultSteps;
  }

  override get components(): { scheduler: Scheduler; unet: UNet2DModel } {
    return { scheduler: this.scheduler, unet: this.unet };
  }

  /**
   * Paints images: standard normal noise, then the scheduler's loop, inside the core. The same pictures as diffusers
   * with `generator=torch.Generator().manual_seed(seed)`.
   *
   * @example
   * const { images } = await pipeline.generate({ image: sketch, strength: 0.6, batchSize: 4, seed: 0 });
   *
   * @throws `Unsupported` for an `image` where the scheduler's run cannot begin between its ends.
   */
  override generate(options?: UnconditionalGenerateOptions & { outputType?: "image" }): Promise<{ images: Image[] }>;
  override generate(options: UnconditionalGenerateOptions & { outputType: "tensor" }): Promise<{ images: Tensor }>;
  override async generate(options: UnconditionalGenerateOptions = {}): Promise<{ images: Image[] | Tensor }> {
    checkOptions("options", options, GENERATE_OPTIONS);
    const { classLabels = [], numPerClass = 1, numInferenceSteps = this.#defaultSteps, eta, seed, generator } = options;
    checkOutputType(options.outputType);
    checkClassLabels(classLabels);
    const labels = classLabels.flatMap((label) => new Array<number>(numPerClass).fill(label));
    const batchSize = batchSizeOf(options, labels);
    options.signal?.throwIfAborted();
    const image = options.image === undefined ? undefined : await picturesOf("image", options.image, batchSize);
    // From here to the loop's beginning nothing is awaited: another run may use the same scheduler.
    this.scheduler.setTimesteps({ numInferenceSteps });
    const from = this.#start(image, options.strength, numInferenceSteps);
    const sample = await denoise({
      ...this.components,
      generator: resolveGenerator({ seed, generator }),
      shape: from ? from.image.shape : [batchSize ?? 1, ...this.#imageShape()],
      classLabels: labels,
      from,
      stepOptions: { eta },
      onStep: options.onStep,
      signal: options.signal,
    });
    return { images: outputOf(sample, options.outputType) };
  }

  /** The picture to start from, if there is one, and where its run begins. */
  #start(
    image: Tensor | undefined,
    strength: number | undefined,
    numInferenceSteps: number,
  ): { image: Tensor; beginIndex: number } | undefined {
    if (image === undefined) {
      if (strength !== undefined) throw invalidArgument("strength", "an image beside it", strength);
      return undefined;
    }
    const beginIndex = call(() => this.scheduler.handle.beginIndex(numInferenceSteps, strength ?? DEFAULT_STRENGTH));
    return { image, beginIndex };
  }

  #imageShape(): number[] {
    const { inChannels, sampleSize } = this.unet.config;
    if (sampleSize === null) {
      throw new EmberwingError("InvalidConfig", "unet.config.sampleSize: expected the size of the images, got null");
    }
    return [inChannels, ...(typeof sampleSize === "number" ? [sampleSize, sampleSize] : sampleSize)];
  }
}

function checkClassLabels(labels: readonly number[]): void {
  if (!Array.isArray(labels)) throw invalidArgument("classLabels", "an array of class numbers", labels);
  labels.forEach((label, index) => {
    checkInteger(`classLabels[${index}]`, label, 0);
  });
}

/** As the caller says, or one for each label; undefined where both are silent. */
function batchSizeOf({ batchSize }: UnconditionalGenerateOptions, labels: readonly number[]): number | undefined {
  if (batchSize !== undefined) checkInteger("batchSize", batchSize, 1);
  if (labels.length === 0) return batchSize;
  if (batchSize !== undefined && batchSize !== labels.length) {
    throw invalidArgument("batchSize", `${labels.length}, numPerClass for each class`, batchSize);
  }
  return labels.length;
}

const GENERATE_OPTIONS = [
  "batchSize",
  "numInferenceSteps",
  "seed",
  "generator",
  "eta",
  "classLabels",
  "numPerClass",
  "image",
  "strength",
  "outputType",
  "onStep",
  "signal",
] as const;
