/** Which pictures are learned from: the built-in butterflies, or the user's own files. */
import type { Dataset, UNet2DModelConfig } from "emberwing";
import type { Remote, WorkerApi } from "emberwing/worker";

export type PictureChoice = "butterflies" | readonly File[];

/** Of a model: the pictures are brought to it. */
export interface PictureFormat {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** @throws where the model does not say how large its pictures are. */
export function formatOf({ inChannels = 3, sampleSize = null }: Partial<UNet2DModelConfig>): PictureFormat {
  if (sampleSize === null) throw new Error("This model does not say how large its pictures are (sample_size).");
  const [height, width] = typeof sampleSize === "number" ? [sampleSize, sampleSize] : sampleSize;
  return { channels: inChannels, height, width };
}

export interface LoadedPictures {
  readonly dataset: Remote<Dataset>;
  readonly count: number;
  /** What is wrong with the files that were left out, each by its name. */
  readonly problems: readonly string[];
}

/** @param size How many butterflies are wanted. */
export async function loadPictures(
  api: WorkerApi,
  choice: PictureChoice,
  { channels, height, width }: PictureFormat,
  size: number,
): Promise<LoadedPictures> {
  if (channels !== 1 && channels !== 3)
    throw new Error(`This model's pictures have ${channels} channels; files have 1 or 3.`);
  const options = { resolution: [height, width] as [number, number], channels, randomFlip: true } as const;
  const problems: string[] = [];
  const onWarning = (message: string): void => void problems.push(problemOf(message));
  try {
    const dataset = await (choice === "butterflies"
      ? api.loadDataset(choice, { ...options, size })
      : api.loadDataset([...choice], { ...options, onWarning }));
    return { dataset, count: await dataset.length, problems };
  } catch (error) {
    if (problems.length === 0) throw error;
    throw new Error(`None of these files can be read as a picture: ${problems.join("; ")}`);
  }
}

/** "skipped notes.txt: not a picture" without its first word. */
const problemOf = (message: string): string => message.replace(/^skipped /, "");
