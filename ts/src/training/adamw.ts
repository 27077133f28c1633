import type { AdamWHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import type { AdamWOptions } from "../generated/AdamWOptions.js";
import { UNet2DModel } from "../models/unet-2d-model.js";
import { checkInstance, checkNumber, toJson } from "../options.js";
import { Resource } from "../resource.js";
import { takeBytes } from "../tensor.js";

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101), as
 * `torch.optim.AdamW`.
 *
 * @example
 * const optimizer = new AdamW(unet, { learningRate: 4e-4 });
 * const { loss } = await unet.backward({ sample: noisy, timesteps, target: noise });
 * await optimizer.step();
 * optimizer.zeroGrad();
 */
export class AdamW extends Resource<AdamWHandle> {
  constructor(model: UNet2DModel, options: Partial<AdamWOptions> = {}) {
    checkInstance("model", model, "a UNet2DModel", UNet2DModel);
    super(
      call((core) => new core.AdamW(model.handle, toJson(options))),
      [model],
    );
  }

  /** The learning rate of the steps from now on; `LRScheduler` calls it. */
  async setLearningRate(rate: number): Promise<void> {
    checkNumber("rate", rate);
    return enqueue(() => this.handle.setLearningRate(rate));
  }

  /** Moves the model's parameters along the gradients that were added up. */
  step(): Promise<void> {
    return enqueue(() => this.handle.step());
  }

  /**
   * The moments and the number of steps, as the content of a checkpoint's `optimizer.safetensors`: for each parameter
   * `<name>.exp_avg` and `<name>.exp_avg_sq` in PyTorch's layout, and `step`.
   */
  stateDict(): Promise<Uint8Array> {
    return enqueue(() => this.handle.stateDict());
  }

  /**
   * Goes on from a state that `stateDict` gave.
   *
   * @throws `InvalidFile` or `ShapeMismatch` where it is of another model; nothing is changed then.
   */
  async loadStateDict(content: Uint8Array): Promise<void> {
    const bytes = takeBytes("content", content);
    const state = call((core) => new core.Weights());
    await enqueue(() => state.add("the optimizer's state", bytes));
    await enqueue(() => this.handle.loadStateDict(state));
  }

  /** Forgets the model's gradients. */
  zeroGrad(): Promise<void> {
    return enqueue(() => this.handle.zeroGrad());
  }
}
