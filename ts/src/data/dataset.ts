import type { Callback } from "../callback.js";
import type { DatasetHandle } from "../core.js";
import { enqueue } from "../engine.js";
import { checkInteger } from "../options.js";
import { Resource } from "../resource.js";
import type { Tensor } from "../tensor.js";

interface DatasetTraits {
  classNames: readonly string[];
  streaming: boolean | undefined;
  onWarning: Callback<string> | undefined;
}

/**
 * Images, resized in memory or left on disk (`streaming`); `loadDataset` makes one. Cropping, flipping and scaling to
 * [−1, 1] happen when a `DataLoader` or a `Trainer` draws a batch.
 */
export class Dataset extends Resource<DatasetHandle> {
  /** How many images there are. */
  readonly length: number;
  /** Of one item: [channels, height, width]. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** The classes by their numbers; empty where `loadDataset` was not asked for `classLabels`. */
  readonly classNames: readonly string[];

  /** Where warnings of images go that are read while batches are drawn. */
  readonly #onWarning: Callback<string> | undefined;

  private constructor(handle: DatasetHandle, length: number, shape: Uint32Array, traits: DatasetTraits) {
    super(handle);
    const { classNames, streaming = false, onWarning = console.warn } = traits;
    this.length = length;
    this.classNames = classNames;
    this.#onWarning = streaming ? onWarning : undefined;
    const [channels = 0, height = 0, width = 0] = shape;
    this.shape = [channels, height, width];
  }

  /** @internal Takes over a handle that has its images. */
  static async of(handle: DatasetHandle, traits: DatasetTraits): Promise<Dataset> {
    const length = await enqueue(() => handle.length());
    const shape = await enqueue(() => handle.shape());
    return new Dataset(handle, length, shape, traits);
  }

  /** Image `index` without random choices (centre crop, no flip): [channels, height, width] in [−1, 1]. */
  async item(index: number): Promise<Tensor> {
    checkInteger("index", index, 0);
    return { data: await enqueue(() => this.handle.item(index)), shape: [...this.shape] };
  }

  /** @internal Tells of images that were passed over since the last call. */
  async warn(): Promise<void> {
    while (this.#onWarning) {
      const problem = await enqueue(() => this.handle.takeProblem());
      if (!problem) return;
      await this.#onWarning(`skipped ${problem}`);
    }
  }
}
