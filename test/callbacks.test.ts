/** Callbacks may be async: each is awaited, and where it fails, the call that made it rejects with its very error. */
import {
  DataLoader,
  DDIMPipeline,
  DDPMPipeline,
  DDPMScheduler,
  type DiffusionPipeline,
  Image,
  loadDataset,
  RePaintPipeline,
} from "emberwing";
import { describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.js";

type Told = (value: unknown) => void | Promise<void>;

const white = new Image(new Uint8Array(8 * 8 * 3).fill(255), 8, 8, 3);
const generates = (Class: typeof DDPMPipeline | typeof DDIMPipeline | typeof RePaintPipeline, more: object) => {
  return async (onStep: Told) => {
    const { unet } = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
    const pipeline: DiffusionPipeline = new Class({ unet, scheduler: new DDPMScheduler({ numTrainTimesteps: 100 }) });
    return pipeline.generate({ numInferenceSteps: 3, seed: 0, onStep, ...more } as never);
  };
};
const inpainting = { image: white, maskImage: white, numInferenceSteps: 4, jumpLength: 2, jumpNSample: 1 };

/** A call that tells at least twice, by the option that it tells by. */
const CALLS: Record<string, (told: Told) => Promise<unknown>> = {
  "DDPMPipeline.generate onStep": generates(DDPMPipeline, {}),
  "DDPMPipeline.generate from an image onStep": generates(DDPMPipeline, { image: white, strength: 1 }),
  "DDIMPipeline.generate onStep": generates(DDIMPipeline, {}),
  "RePaintPipeline.generate onStep": generates(RePaintPipeline, inpainting),
  "loadDataset onWarning": (onWarning) =>
    loadDataset([new Uint8Array(3), white.toPNG(), new Uint8Array(3)], { resolution: 8, onWarning }),
};

describe.each(Object.entries(CALLS))("%s", (_, call) => {
  const failures: [string, (error: unknown) => Told][] = [
    ["rejects at once", (error) => () => Promise.reject(error)],
    ["rejects later", (error) => () => new Promise((_, reject) => void setTimeout(() => reject(error), 5))],
    [
      "throws",
      (error) => () => {
        throw error;
      },
    ],
  ];
  test.each(failures)("rejects with the error of a callback that %s", async (_, failing) => {
    const error = new TypeError("disk full");
    await expect(call(failing(error))).rejects.toBe(error);
    // What is no error goes on as it is too.
    await expect(call(failing("no error"))).rejects.toBe("no error");
  });

  test("tells no more after that", async () => {
    let times = 0;
    const told = async () => {
      times++;
      throw new Error("enough");
    };
    await expect(call(told)).rejects.toThrow("enough");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(times).toBe(1);
  });

  test("waits for one before it tells again, and before it resolves", async () => {
    let running = 0;
    let times = 0;
    await call(async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      times++;
      running--;
    });
    expect(running).toBe(0);
    expect(times).toBeGreaterThanOrEqual(2);
  });
});

test("a run whose callback failed is given back, and another one works", async () => {
  const pipeline = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
  const options = { numInferenceSteps: 3, seed: 0 };
  const before = await pipeline.generate(options);
  const onStep = async () => Promise.reject(new Error("enough"));
  const runs = await Promise.allSettled([1, 2, 3].map(() => pipeline.generate({ ...options, onStep })));
  expect(runs.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(await pipeline.generate(options)).toEqual(before);
});

test("a callback may call the API, the pipeline that tells it too", async () => {
  const pipeline = await DDPMPipeline.fromPretrained(fixturePath("pipelines/ddpm"));
  const options = { numInferenceSteps: 3, seed: 0 };
  const expected = await pipeline.generate(options);
  const inner: unknown[] = [];
  const onStep = async () => void inner.push(await pipeline.generate({ ...options, numInferenceSteps: 2 }));
  expect(await pipeline.generate({ ...options, onStep })).toEqual(expected);
  expect(inner).toHaveLength(3);
});

test("an abort from a callback ends the run with its reason", async () => {
  const controller = new AbortController();
  const call = generates(DDPMPipeline, { signal: controller.signal });
  const reason = new Error("seen enough");
  await expect(call(async () => controller.abort(reason))).rejects.toBe(reason);
});

test("a DataLoader of images in memory tells nothing", async () => {
  const warnings: string[] = [];
  const onWarning = async (message: string) => void warnings.push(message);
  const dataset = await loadDataset([new Uint8Array(3), white.toPNG()], { resolution: 8, onWarning });
  for await (const { shape } of new DataLoader(dataset)) expect(shape[0]).toBe(1);
  expect(warnings).toEqual([expect.stringContaining("skipped image 0")]);
});
