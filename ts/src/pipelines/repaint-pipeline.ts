import type { Image } from "../images.js";
import type { UNet2DModel } from "../models/unet-2d-model.js";
import { checkOptions } from "../options.js";
import { resolveGenerator } from "../random/generator.js";
import { RePaintScheduler } from "../schedulers/repaint-scheduler.js";
import type { Tensor } from "../tensor.js";
import { denoise } from "./denoising.js";
import { DiffusionPipeline, type GenerateOptions } from "./diffusion-pipeline.js";
import { masksOf, type PictureInput, picturesOf } from "./picture-input.js";
import { checkOutputType, outputOf } from "./pipeline-output.js";
import { checkComponents, type UnconditionalComponents } from "./unconditional-pipeline.js";

export interface RePaintGenerateOptions extends GenerateOptions {
  /** The picture that is known in part; a tensor has values in [−1, 1]. */
  image: PictureInput;
  /**
   * White, or 1 in a tensor of shape [batch or 1, channels or 1, height, width], where the picture is kept; black, or
   * 0, where it is painted. As large as `image`.
   */
  maskImage: PictureInput;
  /** How much fresh noise a step adds: 0 (the default) is DDIM, 1 is DDPM. */
  eta?: number;
  /** The steps between the places where the run jumps back to more noise. Default 10. */
  jumpLength?: number;
  /** How often each stretch between such places is run. Default 10. */
  jumpNSample?: number;
}

/**
 * Inpainting with an unconditional model (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865): what the mask keeps is
 * put back, with noise, in every step, and the run jumps back and paints stretches again until both parts agree.
 *
 * 250 steps unless told otherwise, of which most are run ten times: `{ numInferenceSteps: 50, jumpLength: 5,
 * jumpNSample: 3 }` is a fast start. Another scheduler is converted by `RePaintScheduler.fromConfig`.
 *
 * @example
 * const pipeline = await RePaintPipeline.fromPretrained("my_pipeline");
 * const { images } = await pipeline.generate({ image, maskImage, numInferenceSteps: 50, seed: 0 });
 */
export class RePaintPipeline extends DiffusionPipeline {
  static override readonly className = "RePaintPipeline";
  readonly unet: UNet2DModel;
  readonly scheduler: RePaintScheduler;

  constructor(components: UnconditionalComponents) {
    super();
    const { unet, scheduler } = checkComponents(components);
    this.unet = unet;
    this.scheduler = scheduler instanceof RePaintScheduler ? scheduler : RePaintScheduler.fromConfig(scheduler);
  }

  override get components(): { scheduler: RePaintScheduler; unet: UNet2DModel } {
    return { scheduler: this.scheduler, unet: this.unet };
  }

  /**
   * Paints what the mask does not keep: the pictures of diffusers' `RePaintPipeline` for the same seed. `onStep` counts
   * the jumps back as steps.
   *
   * @throws `ShapeMismatch` where the mask is not as large as the picture.
   */
  override generate(options: RePaintGenerateOptions & { outputType?: "image" }): Promise<{ images: Image[] }>;
  override generate(options: RePaintGenerateOptions & { outputType: "tensor" }): Promise<{ images: Tensor }>;
  override async generate(options: RePaintGenerateOptions): Promise<{ images: Image[] | Tensor }> {
    checkOptions("options", options, GENERATE_OPTIONS);
    const { batchSize, numInferenceSteps = 250, eta = 0, jumpLength, jumpNSample, seed, generator } = options;
    checkOutputType(options.outputType);
    options.signal?.throwIfAborted();
    const [image, mask] = await Promise.all([
      picturesOf("image", options.image, batchSize),
      masksOf("maskImage", options.maskImage),
    ]);
    const scheduler = RePaintScheduler.fromConfig(this.scheduler, { eta });
    scheduler.setTimesteps({ numInferenceSteps, jumpLength, jumpNSample });
    scheduler.setKnownPart(image, mask);
    const sample = await denoise({
      unet: this.unet,
      scheduler,
      generator: resolveGenerator({ seed, generator }),
      shape: image.shape,
      onStep: options.onStep,
      signal: options.signal,
    });
    return { images: outputOf(sample, options.outputType) };
  }
}

const GENERATE_OPTIONS = [
  "image",
  "maskImage",
  "batchSize",
  "numInferenceSteps",
  "eta",
  "jumpLength",
  "jumpNSample",
  "seed",
  "generator",
  "outputType",
  "onStep",
  "signal",
] as const;
