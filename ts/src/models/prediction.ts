import type { PredictionHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import { Resource } from "../resource.js";
import { checkSameShape, type Tensor, takeValues } from "../tensor.js";

/**
 * A model's output that remembers how it was made, for any loss of your own: work out the loss's gradient with
 * respect to `data` and hand it to `backward`.
 *
 * @example
 * const prediction = await unet.forward(noisy, timesteps, { track: true });
 * const difference = prediction.data.map((value, i) => value - noise.data[i]); // d ½·Σ(difference²) / d prediction
 * const sampleGradient = await prediction.backward({ data: difference, shape: prediction.shape });
 */
export class Prediction extends Resource<PredictionHandle> implements Tensor {
  readonly data: Float32Array;
  readonly shape: number[];
  readonly #sampleShape: number[];

  /** @internal */
  constructor(handle: PredictionHandle, model: object, shape: number[], sampleShape: number[]) {
    super(handle, [model]);
    this.data = call(() => handle.data());
    this.shape = shape;
    this.#sampleShape = sampleShape;
  }

  /**
   * Adds to the gradients of the model's parameters. Works once.
   *
   * @param gradient The loss's gradient with respect to this prediction, of the same shape.
   * @returns The loss's gradient with respect to the sample.
   */
  async backward(gradient: Tensor): Promise<Tensor> {
    checkSameShape("gradient", gradient, "the prediction", this.shape);
    const values = takeValues(gradient);
    const data = await enqueue(() => this.handle.backward(values));
    return { data, shape: this.#sampleShape };
  }
}
