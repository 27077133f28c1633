/** Pictures as training shows them to the model: with more and more noise. */
import type { Dataset, Image, Scheduler } from "emberwing";
import type { Remote, WorkerApi } from "emberwing/worker";

/** Timesteps, of 1000. */
export const NOISE_LEVELS = [0, 150, 300, 450, 650, 950] as const;

/** Rows of one picture each, at all levels; the first is the picture itself. */
export async function noisedPictures(
  api: WorkerApi,
  dataset: Remote<Dataset>,
  scheduler: Remote<Scheduler>,
  rows: number,
): Promise<Image[]> {
  const generator = await new api.Generator(0);
  const images: Image[] = [];
  for (let row = 0; row < rows; row++) {
    const clean = await dataset.item(row);
    images.push(...(await api.imagesFromTensor(clean)));
    for (const level of NOISE_LEVELS.slice(1)) {
      const [channels = 0, height = 0, width = 0] = clean.shape;
      const sample = { data: clean.data, shape: [1, channels, height, width] };
      const noise = await generator.randn(sample.shape);
      images.push(...(await api.imagesFromTensor(await scheduler.addNoise(sample, noise, [level]))));
    }
  }
  return images;
}
