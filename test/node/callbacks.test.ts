/** The callbacks that only Node has a place for: transfers of the hub, and warnings of images that stay on disk. */
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataLoader, DDPMPipeline, DDPMScheduler, DiffusionPipeline, Image, loadDataset, UNet2DModel } from "emberwing";
import { beforeEach, describe, expect, test } from "vitest";
import { TOKEN } from "./hub-server.js";
import { hubSession, pathsIn, pipelineFiles, smallPipeline } from "./hub-session.js";

const session = hubSession();
const picture = new Image(new Uint8Array(8 * 8 * 3), 8, 8, 3).toPNG();

beforeEach(async () => {
  process.env.HF_TOKEN = TOKEN;
  const files = await pipelineFiles();
  session.server.commit("models/owner/name", files);
  const inFolders = Object.entries(files).map(([name, content]) => [name.replace(/^(unet|scheduler)\//, ""), content]);
  session.server.commit("models/owner/flat", Object.fromEntries(inFolders));
  const images = Array.from({ length: 12 }, (_, index) => [`train/${index}.png`, picture]);
  session.server.commit("datasets/owner/name", {
    ...Object.fromEntries(images),
    "train/bad.png": Buffer.from("x"),
    "test/0.png": picture,
  });
});

type Told = (value: unknown) => Promise<void>;

async function streamed(onWarning: Told): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "emberwing-callbacks-"));
  await writeFile(join(folder, "good.png"), picture);
  await writeFile(join(folder, "bad.png"), "x");
  const dataset = await loadDataset(folder, { resolution: 8, streaming: true, onWarning });
  for await (const { shape } of new DataLoader(dataset, { batchSize: 2 })) expect(shape).toHaveLength(4);
}

const CALLS: Record<string, (told: Told) => Promise<unknown>> = {
  "DiffusionPipeline.fromPretrained onProgress": (onProgress) =>
    DiffusionPipeline.fromPretrained("hub:owner/name", { onProgress }),
  "UNet2DModel.fromPretrained onProgress": (onProgress) => UNet2DModel.fromPretrained("hub:owner/flat", { onProgress }),
  "UNet2DModel.loadConfig onProgress": (onProgress) => UNet2DModel.loadConfig("hub:owner/flat", { onProgress }),
  "Scheduler.fromPretrained onProgress": (onProgress) => DDPMScheduler.fromPretrained("hub:owner/flat", { onProgress }),
  "loadDataset onProgress": (onProgress) => loadDataset("hub:owner/name", { resolution: 8, onProgress }),
  "loadDataset of the hub onWarning": (onWarning) => loadDataset("hub:owner/name", { resolution: 8, onWarning }),
  "DataLoader of a streaming data set onWarning": streamed,
  "pushToHub onProgress": async (onProgress) => (await smallPipeline(1)).pushToHub("owner/pushed", { onProgress }),
};

const isContent = (line: string): boolean => /^GET (storage|hub.*resolve)/.test(line);

describe.each(Object.entries(CALLS))("%s", (_, call) => {
  const error = new TypeError("disk full");
  test.each<[string, Told]>([
    ["rejects at once", () => Promise.reject(error)],
    ["rejects later", () => new Promise((_, reject) => void setTimeout(() => reject(error), 30))],
    [
      "throws",
      () => {
        throw error;
      },
    ],
  ])("rejects with the error of a callback that %s", async (_, told) => {
    await expect(call(told)).rejects.toBe(error);
  });

  test("waits for each callback, and no time that it takes is the server's", async () => {
    process.env.HF_HUB_DOWNLOAD_TIMEOUT = "1";
    let running = 0;
    let times = 0;
    const told = async () => {
      running++;
      if (times++ === 0) await new Promise((resolve) => setTimeout(resolve, 1200));
      running--;
    };
    await call(told);
    expect(running).toBe(0);
    expect(times).toBeGreaterThan(0);
    // Silence would have been tried again.
    const asked = session.server.requests.map(({ host, method, url }) => `${method} ${host}${url}`).filter(isContent);
    expect(asked).toEqual([...new Set(asked)]);
  });
});

test("a load whose callback failed goes on from there, and leaves no lock", async () => {
  const onProgress = async () => Promise.reject(new Error("disk full"));
  await expect(DiffusionPipeline.fromPretrained("hub:owner/name", { onProgress })).rejects.toThrow("disk full");
  expect((await pathsIn(session.home)).filter((path) => path.endsWith(".lock"))).toEqual([]);
  expect(await DiffusionPipeline.fromPretrained("hub:owner/name")).toBeInstanceOf(DDPMPipeline);
});

test("a push whose callback failed makes no commit", async () => {
  const pipeline = await smallPipeline(1);
  const head = session.server.head("models/owner/name");
  const onProgress = async () => Promise.reject(new Error("disk full"));
  await expect(pipeline.pushToHub("owner/name", { onProgress })).rejects.toThrow("disk full");
  expect(session.server.head("models/owner/name")).toBe(head);
});

test("every callback of the API is among those that are tried here and in callbacks.test.ts", async () => {
  const source = new URL("../../ts/src/", import.meta.url);
  const paths = (await readdir(source, { recursive: true })).filter((path) => path.endsWith(".ts"));
  const texts = await Promise.all(paths.map((path) => readFile(new URL(path, source), "utf8")));
  const options = texts.flatMap((text) => Array.from(text.matchAll(/(\w+)\?: Callback</g), ([, name]) => name));
  expect(new Set(options)).toEqual(new Set(["onStep", "onWarning", "onProgress"]));
  // Whatever is named like one has the type that says that it is awaited.
  const others = texts.flatMap((text) =>
    Array.from(text.matchAll(/\bon[A-Z]\w*\?: (?!Callback<).*/g), ([line]) => line),
  );
  expect(others).toEqual([]);
});
