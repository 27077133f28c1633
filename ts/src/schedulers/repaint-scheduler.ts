import { call } from "../engine.js";
import { describe, EmberwingError } from "../errors.js";
import type { RePaintSchedulerConfig } from "../generated/RePaintSchedulerConfig.js";
import { checkNumber } from "../options.js";
import { checkTensor, elementCount, type Tensor } from "../tensor.js";
import { Scheduler } from "./scheduler.js";

/**
 * RePaint: inpainting with an unconditional model (Lugmayr et al. 2022, https://arxiv.org/abs/2201.09865). The run jumps
 * back to noisier levels on its way; the steps of these jumps do not look at the model's output (diffusers' `undo_step`).
 *
 * @example
 * scheduler.setTimesteps(50, { jumpLength: 5, jumpNSample: 3 });
 * scheduler.setKnownPart(image, mask);
 * let sample = generator.randn(image.shape);
 * for (const t of scheduler.timesteps) {
 *   const modelOutput = scheduler.usesModelOutput(t) ? await unet.forward(sample, t) : sample;
 *   sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
 * }
 */
export class RePaintScheduler extends Scheduler<RePaintSchedulerConfig> {
  static override readonly className = "RePaintScheduler";

  /**
   * Says what is known of the picture; to be called before the first step.
   *
   * @param image Shape [batch, channels, height, width], values in [−1, 1].
   * @param mask 1 where the picture is known, 0 where it is to be painted. Its shape is the image's; 1 for batch or
   *   channels stands for all of them.
   */
  setKnownPart(image: Tensor, mask: Tensor): void {
    checkTensor("image", image);
    const everywhere = repeated(mask, image.shape);
    call(() => this.handle.setKnownPart(image.data, everywhere));
  }

  /** Whether the step at this timestep looks at the model's output; where not, any tensor of its shape will do. */
  usesModelOutput(t: number): boolean {
    checkNumber("t", t);
    return call(() => this.handle.usesModelOutput(t));
  }
}

/** The mask for every sample and channel of the image. */
function repeated(mask: Tensor, shape: readonly number[]): Float32Array {
  checkTensor("mask", mask);
  const [batch = 1, channels = 1, ...size] = shape;
  const [maskBatch = 1, maskChannels = 1, ...maskSize] = mask.shape;
  const fits = (count: number, wanted: number): boolean => count === wanted || count === 1;
  if (!fits(maskBatch, batch) || !fits(maskChannels, channels) || maskSize.join() !== size.join()) {
    const expected = `the shape ${describe(shape)} of image, or 1 in place of its batch or channels`;
    throw new EmberwingError("ShapeMismatch", `mask: expected ${expected}, got ${describe(mask.shape)}`);
  }
  const plane = elementCount(size);
  const all = new Float32Array(batch * channels * plane);
  for (let index = 0; index < batch * channels; index++) {
    const [sample, channel] = [Math.floor(index / channels) % maskBatch, (index % channels) % maskChannels];
    const start = (sample * maskChannels + channel) * plane;
    all.set(mask.data.subarray(start, start + plane), index * plane);
  }
  return all;
}
