import type { DataLoaderHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import type { DataLoaderOptions as LoaderOptions } from "../generated/DataLoaderOptions.js";
import { checkBag, checkInstance, toJson } from "../options.js";
import { type RandomOptions, resolveGenerator } from "../random/generator.js";
import { elementCount, type Tensor } from "../tensor.js";
import { Dataset } from "./dataset.js";

/** How the batches are made, and where the random choices come from. */
export interface DataLoaderOptions extends Partial<LoaderOptions>, RandomOptions {}

/** Pictures that are used together: [images, channels, height, width], values in [−1, 1]. */
export interface Batch extends Tensor {
  /** The class of each picture, where the data set has classes. */
  classLabels?: Float32Array;
}

/**
 * The batches of one epoch; each `for await` over it is another epoch.
 *
 * @example
 * for await (const batch of new DataLoader(dataset, { batchSize: 64, seed: 0 })) {
 *   console.log(batch.shape); // [64, 3, 32, 32], values in [−1, 1]
 * }
 */
export class DataLoader implements AsyncIterable<Batch> {
  readonly #dataset: Dataset;
  readonly #open: () => DataLoaderHandle;
  /** Opened by the constructor, so that wrong options are refused there. */
  #next: DataLoaderHandle | undefined;

  constructor(dataset: Dataset, options: DataLoaderOptions = {}) {
    checkBag("options", options);
    const { seed, generator, ...settings } = options;
    checkInstance("dataset", dataset, "a Dataset", Dataset);
    const { handle } = resolveGenerator({ seed, generator });
    this.#dataset = dataset;
    this.#open = () => call((core) => new core.DataLoader(dataset.handle, handle, toJson(settings)));
    this.#next = this.#open();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, void> {
    const loader = this.#next ?? this.#open();
    this.#next = undefined;
    try {
      for (;;) {
        const batch = await enqueue(() => loader.next());
        await this.#dataset.warn();
        const [data, classLabels] = [batch.data(), batch.classLabels()];
        if (data.length === 0) return;
        const shape = [data.length / elementCount(this.#dataset.shape), ...this.#dataset.shape];
        yield { data, shape, ...(classLabels.length > 0 && { classLabels }) };
      }
    } finally {
      void enqueue(() => loader.dispose());
    }
  }
}
