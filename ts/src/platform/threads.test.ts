import { afterEach, describe, expect, test, vi } from "vitest";
import { startThreads, threadsHere } from "./threads.js";

afterEach(() => vi.unstubAllGlobals());

function place(globals: object): void {
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
}

describe("how many", () => {
  const isolated = { crossOriginIsolated: true, navigator: { hardwareConcurrency: 6 } };
  const worker = { WorkerGlobalScope: class {} };

  test("one for each core in a worker of an isolated page, or as many as are wanted", () => {
    place({ ...isolated, ...worker });
    expect([threadsHere(undefined), threadsHere(1), threadsHere(9)]).toEqual([6, 1, 9]);
  });

  test.each([
    ["a page that is not isolated", worker, /Cross-Origin-Opener-Policy: same-origin/],
    ["a page itself", isolated, /emberwing\/worker/],
    ["a browser that keeps the memory", { ...isolated, ...worker, SharedArrayBuffer: undefined }, /does not share/],
  ])("one in %s, which says why there are no more", (_, globals, reason) => {
    place(globals);
    expect([threadsHere(undefined), threadsHere(1)]).toEqual([1, 1]);
    expect(() => threadsHere(2)).toThrow(expect.objectContaining({ code: "Unsupported" }));
    expect(() => threadsHere(2)).toThrow(reason);
  });

  test.each([0, -1, 1.5, Number.NaN, "4"])("%s is no number of threads", (wanted) => {
    place({ ...isolated, ...worker });
    expect(() => threadsHere(wanted as number)).toThrow(/^threads: expected a whole number of 1 or more/);
  });
});

describe("starting", () => {
  interface StartedWorker {
    onmessage(): void;
    onerror(event: { message: string }): void;
    got: unknown;
    ended: boolean;
  }

  /** Workers whose script does `answer`. */
  function workers(answer: (worker: StartedWorker, index: number) => void): StartedWorker[] {
    const started: StartedWorker[] = [];
    class FakeWorker implements StartedWorker {
      onmessage = () => {};
      onerror = () => {};
      got: unknown;
      ended = false;
      #index = started.push(this) - 1;
      postMessage(message: unknown): void {
        this.got = message;
        queueMicrotask(() => answer(this, this.#index));
      }
      terminate(): void {
        this.ended = true;
      }
    }
    vi.stubGlobal("Worker", FakeWorker);
    return started;
  }

  test("gives each what they share, and waits for all", async () => {
    const joined: number[] = [];
    const started = workers((worker, index) => {
      joined.push(index);
      worker.onmessage();
    });
    await startThreads(3, ["module", "memory"]);
    expect(joined).toEqual([0, 1, 2]);
    expect(started.map(({ got }) => got)).toEqual(Array(3).fill(["module", "memory"]));
  });

  test("ends all when one does not start, and says why", async () => {
    const started = workers((worker, index) => (index === 1 ? worker.onerror({ message: "no memory" }) : undefined));
    await expect(startThreads(3, [])).rejects.toThrow("no memory");
    expect(started.map(({ ended }) => ended)).toEqual([true, true, true]);
  });
});
