import { type UnconditionalComponents, UnconditionalPipeline } from "./unconditional-pipeline.js";

/**
 * Unconditional image generation as DDPM does it: 1000 steps unless told otherwise.
 *
 * @example
 * const pipeline = new DDPMPipeline({ unet, scheduler });
 * const { images } = await pipeline.generate({ batchSize: 8, seed: 0 });
 * await imageGrid(images).save("butterflies.png");
 */
export class DDPMPipeline extends UnconditionalPipeline {
  static override readonly className = "DDPMPipeline";

  constructor(components: UnconditionalComponents) {
    super(components, 1000);
  }
}
