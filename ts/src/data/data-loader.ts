import type { DataLoaderHandle } from "../core.js";
import { call, enqueue } from "../engine.js";
import type { DataLoaderOptions as LoaderOptions } from "../generated/DataLoaderOptions.js";
import { checkInstance } from "../options.js";
import { type RandomOptions, resolveGenerator } from "../random/generator.js";
import { elementCount, type Tensor } from "../tensor.js";
import { Dataset } from "./dataset.js";

/** How the batches are made, and where the random choices come from. */
export interface DataLoaderOptions extends Partial<LoaderOptions>, RandomOptions {}

/**
 * The batches of one epoch; each `for await` over it is another epoch.
 *
 * @example
 * for await (const batch of new DataLoader(dataset, { batchSize: 64, seed: 0 })) {
 *   console.log(batch.shape); // [64, 3, 32, 32], values in [−1, 1]
 * }
 */
export class DataLoader implements AsyncIterable<Tensor> {
  readonly #dataset: Dataset;
  readonly #open: () => DataLoaderHandle;
  /** Opened by the constructor, so that wrong options are refused there. */
  #next: DataLoaderHandle | undefined;

  constructor(dataset: Dataset, options: DataLoaderOptions = {}) {
    const { seed, generator, ...settings } = options;
    checkInstance("dataset", dataset, "a Dataset", Dataset);
    const { handle } = resolveGenerator({ seed, generator });
    this.#dataset = dataset;
    this.#open = () => call((core) => new core.DataLoader(dataset.handle, handle, JSON.stringify(settings)));
    this.#next = this.#open();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Tensor, void, void> {
    const loader = this.#next ?? this.#open();
    this.#next = undefined;
    try {
      for (;;) {
        const data = await enqueue(() => loader.next());
        if (data.length === 0) return;
        yield { data, shape: [data.length / elementCount(this.#dataset.shape), ...this.#dataset.shape] };
      }
    } finally {
      void enqueue(() => loader.dispose());
    }
  }
}
