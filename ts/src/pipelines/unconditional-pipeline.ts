import { call } from "../engine.js";
import { EmberwingError, invalidArgument } from "../errors.js";
import { type Image, imagesFromTensor } from "../images.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkInstance, checkInteger, checkOptions } from "../options.js";
import { resolveGenerator } from "../random/generator.js";
import { Scheduler } from "../schedulers/scheduler.js";
import { shapeOf, type Tensor } from "../tensor.js";
import { denoise } from "./denoising.js";
import { DiffusionPipeline, type GenerateOptions } from "./diffusion-pipeline.js";

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
}

/** Images from noise alone; what DDPM and DDIM pipelines share. */
export abstract class UnconditionalPipeline extends DiffusionPipeline {
  readonly unet: UNet2DModel;
  /** May be replaced by any other; `fromConfig` makes one with the same noise schedule. */
  scheduler: Scheduler;
  readonly #defaultSteps: number;

  constructor({ unet, scheduler }: UnconditionalComponents, defaultSteps: number) {
    super();
    checkInstance("unet", unet, "a UNet2DModel", UNet2DModel);
    checkInstance("scheduler", scheduler, "a scheduler", Scheduler);
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
   */
  override generate(options?: UnconditionalGenerateOptions & { outputType?: "image" }): Promise<{ images: Image[] }>;
  override generate(options: UnconditionalGenerateOptions & { outputType: "tensor" }): Promise<{ images: Tensor }>;
  override async generate(options: UnconditionalGenerateOptions = {}): Promise<{ images: Image[] | Tensor }> {
    checkOptions("options", options, GENERATE_OPTIONS);
    const {
      classLabels = [],
      numPerClass = 1,
      batchSize = Math.max(classLabels.length * numPerClass, 1),
      numInferenceSteps = this.#defaultSteps,
      outputType = "image",
      eta,
      seed,
      generator,
    } = options;
    checkInteger("numPerClass", numPerClass, 1);
    checkInteger("batchSize", batchSize, 1);
    if (classLabels.length > 0 && batchSize !== classLabels.length * numPerClass) {
      throw invalidArgument("batchSize", `${classLabels.length * numPerClass}, numPerClass for each class`, batchSize);
    }
    if (outputType !== "image" && outputType !== "tensor") {
      throw invalidArgument("outputType", '"image" or "tensor"', outputType);
    }
    options.signal?.throwIfAborted();
    this.scheduler.setTimesteps(numInferenceSteps);
    const sample = await denoise({
      ...this.components,
      generator: resolveGenerator({ seed, generator }),
      shape: [batchSize, ...this.#imageShape()],
      classLabels: classLabels.flatMap((label) => new Array<number>(numPerClass).fill(label)),
      stepOptions: { eta },
      onStep: options.onStep,
      signal: options.signal,
    });
    return { images: outputType === "tensor" ? toUnitRange(sample) : imagesFromTensor(sample) };
  }

  #imageShape(): number[] {
    const { inChannels, sampleSize } = this.unet.config;
    if (sampleSize === null) {
      throw new EmberwingError("InvalidConfig", "unet.config.sampleSize: expected the size of the images, got null");
    }
    return [inChannels, ...(typeof sampleSize === "number" ? [sampleSize, sampleSize] : sampleSize)];
  }
}

const GENERATE_OPTIONS = [
  "batchSize",
  "numInferenceSteps",
  "seed",
  "generator",
  "eta",
  "classLabels",
  "numPerClass",
  "outputType",
  "onStep",
  "signal",
] as const;

/** diffusers' `output_type="np"`. */
function toUnitRange(sample: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = sample.shape;
  const data = call((core) => core.toUnitImages(sample.data, shapeOf(sample)));
  return { data, shape: [batch, height, width, channels] };
}
