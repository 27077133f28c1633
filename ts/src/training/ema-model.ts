import type { EMAModelHandle } from "../core.js";
import { enqueue } from "../engine.js";
import type { EmaOptions } from "../generated/EmaOptions.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkInstance, toJson } from "../options.js";
import { Resource } from "../resource.js";

/**
 * An exponential moving average of a model's weights, as diffusers' `EMAModel`: it draws better pictures than the
 * weights that it follows.
 *
 * @example
 * const ema = await EMAModel.create(unet, { decay: 0.9999 });
 * await optimizer.step();
 * await ema.step();
 * const pipeline = new DDPMPipeline({ unet: await ema.averagedModel(), scheduler });
 */
export class EMAModel extends Resource<EMAModelHandle> {
  private constructor(handle: EMAModelHandle, model: UNet2DModel) {
    super(handle, [model]);
  }

  /** Starts from the model's weights as they are. */
  static async create(model: UNet2DModel, options: Partial<EmaOptions> = {}): Promise<EMAModel> {
    checkInstance("model", model, "a UNet2DModel", UNet2DModel);
    const json = toJson(options);
    return new EMAModel(await enqueue(() => model.handle.createEMAModel(json)), model);
  }

  /** Takes the model's weights in, to be called after each step of the optimizer. Resolves to the decay. */
  step(): Promise<number> {
    return enqueue(() => this.handle.step());
  }

  /** A model with the averaged weights as they are now; later steps do not change it. */
  async averagedModel(): Promise<UNet2DModel> {
    return UNet2DModel.of(await enqueue(() => this.handle.model()));
  }
}
