/** How fast a run goes, and when it will be done. */

/** So many of the last steps count: enough to be steady, few enough to follow a machine that is busy at times. */
const WINDOW = 12;

export class Speed {
  readonly #steps: { images: number; seconds: number }[] = [];
  #samplingSeconds = 0;

  noteStep(images: number, seconds: number): void {
    this.#steps.push({ images, seconds });
    if (this.#steps.length > WINDOW) this.#steps.shift();
  }

  noteSampling(seconds: number): void {
    this.#samplingSeconds = seconds;
  }

  /** Undefined before the first step. */
  get imagesPerSecond(): number | undefined {
    return this.#steps.length === 0 ? undefined : this.#total("images") / this.#total("seconds");
  }

  secondsLeft(steps: number, samplings: number): number | undefined {
    if (this.#steps.length === 0) return undefined;
    return (steps * this.#total("seconds")) / this.#steps.length + samplings * this.#samplingSeconds;
  }

  #total(key: "images" | "seconds"): number {
    return this.#steps.reduce((sum, step) => sum + step[key], 0);
  }
}

/** "42 s", "3 min", "1 h 20 min". */
export function timeInWords(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
