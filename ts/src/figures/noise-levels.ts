/** Clean pictures on their way to noise. */
import { type Image, imageGrid, imagesFromTensor } from "../images.js";
import type { Generator } from "../random/generator.js";
import type { DDIMScheduler } from "../schedulers/ddim-scheduler.js";
import type { DDPMScheduler } from "../schedulers/ddpm-scheduler.js";
import type { Tensor } from "../tensor.js";

const LEVELS = 8;

/**
 * Each picture of the batch at eight noise levels, a row a picture: timesteps from 0 to the last in equal steps,
 * as in unit 1 of the diffusion course.
 *
 * @param clean NCHW in [−1, 1], such as a batch of a `DataLoader`.
 *
 * @example
 * for await (const clean of new DataLoader(dataset, { batchSize: 4, generator })) {
 *   await noiseLevelsFigure(scheduler, clean, generator).save("noise-levels.png");
 *   break;
 * }
 */
export function noiseLevelsFigure(
  scheduler: DDPMScheduler | DDIMScheduler,
  clean: Tensor,
  generator: Generator,
): Image {
  const last = scheduler.config.numTrainTimesteps - 1;
  const levels = Array.from({ length: LEVELS }, (_, index) => Math.floor((index * last) / (LEVELS - 1)));
  const columns = levels.map((t) => imagesFromTensor(scheduler.addNoise(clean, generator.randn(clean.shape), t)));
  const rows = (columns[0] ?? []).map((_, row) => columns.flatMap((images) => images[row] ?? []));
  return imageGrid(rows.flat(), { columns: LEVELS });
}
