/**
 * What must hold for every input of a reader: it settles in time, with a result or an `EmberwingError`, leaves no
 * rejection that nobody handles, and memory stays bounded. `EMBERWING_FUZZ_RUNS` says how many inputs a target gets;
 * `EMBERWING_FUZZ_SEED` which: the seed of a failure repeats it.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { EmberwingError } from "emberwing";
import fc from "fast-check";
import { expect, test } from "vitest";

const { EMBERWING_FUZZ_RUNS } = process.env;
/** In `npm test`, which has seconds for all targets. */
const FEW_RUNS = 400;
const SEED = Number(process.env.EMBERWING_FUZZ_SEED ?? 1);

/** Of the processor, for one input. */
const MOST_SECONDS = 30;
/** What a run may add to the memory of the process, garbage that is not yet collected and all: inputs have kilobytes. */
const MOST_BYTES = 2 ** 29;

export interface Target<T> {
  inputs: fc.Arbitrary<T>;
  read: (input: T) => Promise<unknown>;
  /** Errors that may be thrown beside `EmberwingError`. */
  mayThrow?: (error: unknown) => boolean;
  /** For readers that are slow: where no number of runs is given, one input for so many of others. */
  share?: number;
}

export function fuzz<T>(name: string, { inputs, read, mayThrow = () => false, share = 1 }: Target<T>): void {
  const runs = EMBERWING_FUZZ_RUNS === undefined ? Math.ceil(FEW_RUNS / share) : Number(EMBERWING_FUZZ_RUNS);
  test(name, { timeout: 60_000 + 50 * runs }, async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const beats = new Int32Array(new SharedArrayBuffer(8));
    const workerData = { beats, name, seconds: MOST_SECONDS };
    const watchdog = new Worker(new URL("./watchdog.mjs", import.meta.url), { workerData });
    await once(watchdog, "online");
    const memory = memoryWatch();
    const outcomes = { read: 0, refused: 0 };
    const attempt = async (input: T): Promise<void> => {
      beat(beats, 1);
      try {
        await read(input);
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof EmberwingError) && !mayThrow(error)) throw error;
        outcomes.refused++;
      } finally {
        beat(beats, 0);
      }
      memory.check();
      expect(unhandled).toEqual([]);
    };
    try {
      await fc.assert(fc.asyncProperty(inputs, attempt), {
        ...{ seed: SEED, numRuns: runs, includeErrorInReport: true },
        // Not made smaller: a peak of memory does not go away, so that every smaller input would seem to fail.
        ...{ endOnFailure: true, interruptAfterTimeLimit: 50 * runs + 30_000, markInterruptAsFailure: true },
      });
    } finally {
      await watchdog.terminate();
      process.off("unhandledRejection", note);
    }
    console.log(`fuzz ${name}: ${runs} inputs, of which ${outcomes.read} were read and ${outcomes.refused} refused`);
    // A target whose every input is refused at its door, or that refuses none, tests nothing.
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(0);
  });
}

function beat(beats: Int32Array, isReading: 0 | 1): void {
  Atomics.store(beats, 1, isReading);
  Atomics.add(beats, 0, isReading);
}

/** Peaks of the resident memory, and of buffers that were asked for and never filled. */
function memoryWatch(): { check(): void } {
  const peak = (): number => process.resourceUsage().maxRSS * 1024;
  const buffers = (): number => process.memoryUsage().arrayBuffers;
  const [peakBefore, buffersBefore] = [peak(), buffers()];
  return {
    check() {
      expect(peak() - peakBefore, "bytes more at the peak").toBeLessThan(MOST_BYTES);
      expect(buffers() - buffersBefore, "bytes of buffers").toBeLessThan(MOST_BYTES);
    },
  };
}
