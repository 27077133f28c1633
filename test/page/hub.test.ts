/** The hub in a page: what is asked for, what the browser keeps, and what happens where the hub fails. */
import { DDPMPipeline, DDPMScheduler, DiffusionPipeline, type HubProgress, loadDataset, UNet2DModel } from "emberwing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commands } from "vitest/browser";
import { init } from "../../ts/src/browser.js";
import { createWorker } from "../../ts/src/worker.js";
import type { Fault } from "../node/hub-server.js";
import type { PageRequest } from "./hub-commands.js";
import { pageFiles } from "./page-files.js";

declare module "vitest/browser" {
  interface BrowserCommands {
    startHub(): Promise<string>;
    stopHub(endpoint: string): Promise<void>;
    commitToHub(
      endpoint: string,
      key: string,
      files: Record<string, string>,
      options?: { isPrivate?: boolean },
    ): Promise<string>;
    failHub(endpoint: string, pattern: string, fault: Fault, times?: number): Promise<void>;
    takeHubRequests(endpoint: string): Promise<PageRequest[]>;
  }
}

const SOURCE = "hub:owner/name";
const TOKEN = "hf_testtoken";
const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";
const PIPELINE = ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", WEIGHTS];
const FILES = Object.fromEntries(PIPELINE.map((path) => [path, `pipelines/ddpm/${path}`]));
const REVISION = "GET hub /api/models/owner/name/revision/main";

let endpoint: string;
beforeEach(async () => {
  endpoint = await commands.startHub();
  await init({ files: pageFiles, hubEndpoint: endpoint });
  // A machine of tests may have no network but its own.
  Object.defineProperty(navigator, "onLine", { value: true, configurable: true });
});
afterEach(async () => {
  await commands.stopHub(endpoint);
  for (const name of await caches.keys()) await caches.delete(name);
});

const commit = (options?: { isPrivate?: boolean }) =>
  commands.commitToHub(endpoint, "models/owner/name", FILES, options);
const fail = (pattern: string, fault: Fault, times?: number) => commands.failHub(endpoint, pattern, fault, times);
const requests = () => commands.takeHubRequests(endpoint);
const load = (options = {}) => DDPMPipeline.fromPretrained(SOURCE, options);
const paint = async (pipeline: DDPMPipeline) => (await pipeline.generate({ numInferenceSteps: 2, seed: 3 })).images;
/** What was asked of the server that has large files. */
const ranges = async () =>
  (await requests()).filter(({ line }) => line.startsWith("GET storage")).map(({ range }) => range);

/** The paths that the browser keeps, of contents or of what came of them. */
async function kept(storage: "emberwing-hub" | "emberwing-hub-parts"): Promise<string[]> {
  const keys = await (await caches.open(storage)).keys();
  return keys.map(({ url }) => new URL(url).pathname.slice(1)).sort();
}
const blobs = async () => (await kept("emberwing-hub")).filter((path) => path.includes("/blobs/"));

describe("a load", () => {
  test("asks for what it needs, and a second one for the commit alone", async () => {
    const hash = await commit();
    const pipeline = await DiffusionPipeline.fromPretrained(SOURCE);
    const fixture = new URL("/test/fixtures/pipelines/ddpm", location.href);
    expect(await paint(pipeline as DDPMPipeline)).toEqual(await paint(await DDPMPipeline.fromPretrained(fixture)));
    expect((await kept("emberwing-hub")).filter((path) => !path.includes("/blobs/"))).toEqual([
      "models--owner--name/refs/main",
      ...PIPELINE.map((path) => `models--owner--name/snapshots/${hash}/${path}`),
    ]);
    expect(await blobs()).toHaveLength(4);
    expect(await kept("emberwing-hub-parts")).toEqual([]);

    await requests();
    expect(await paint(await load())).toEqual(await paint(pipeline as DDPMPipeline));
    expect((await requests()).map(({ line }) => line)).toEqual([REVISION]);
  });

  test("tells how far each file is", async () => {
    await commit();
    const seen: HubProgress[] = [];
    await load({ onProgress: (progress: HubProgress) => seen.push({ ...progress }) });
    const total = (await (await fetch(`/test/fixtures/pipelines/ddpm/${WEIGHTS}`)).arrayBuffer()).byteLength;
    expect(seen[0]).toMatchObject({ file: "model_index.json", loaded: 0 });
    expect(seen.filter(({ file }) => file === WEIGHTS).at(-1)).toEqual({ file: WEIGHTS, loaded: total, total });
  });

  test("takes one part from its subfolder, and another revision", async () => {
    const old = await commit();
    await commands.commitToHub(endpoint, "models/owner/name", { "new.png": "images/rgb.png" });
    const options = { subfolder: "scheduler" };
    const { config } = await DDPMScheduler.fromPretrained(SOURCE, options);
    expect((await DDPMScheduler.fromPretrained(SOURCE, { ...options, revision: old })).config).toEqual(config);
    expect(await blobs()).toHaveLength(1);
    const missing = UNet2DModel.fromPretrained(SOURCE, { subfolder: "vae" });
    await expect(missing).rejects.toMatchObject({
      code: "MissingFile",
      message: expect.stringContaining("hub:owner/name/vae: expected config.json, there is no such folder"),
    });
  });

  test("downloads a content once where two ask for it at a time", async () => {
    await commit();
    await Promise.all([load(), load()]);
    expect(await ranges()).toHaveLength(1);
  });

  test("sends a token to the hub alone", async () => {
    await commit({ isPrivate: true });
    await load({ token: TOKEN });
    const sent = await requests();
    const to = (host: string) =>
      new Set(sent.filter(({ line }) => line.includes(` ${host} `)).map((r) => r.authorization));
    expect(to("hub")).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(to("storage")).toEqual(new Set([null]));
  });

  test("works in a worker, with progress and an abort", async () => {
    await commit();
    const script = new Worker(new URL("../../ts/src/worker-host.ts", import.meta.url), { type: "module" });
    const worker = await createWorker({ worker: script, hubEndpoint: endpoint });
    const seen = new Set<string>();
    const pipeline = await worker.DDPMPipeline.fromPretrained(SOURCE, {
      onProgress: ({ file }: HubProgress) => seen.add(file),
    });
    expect([...seen]).toEqual(PIPELINE);
    const { images } = await pipeline.generate({ numInferenceSteps: 2, seed: 3 });
    // What the worker keeps is there for the page.
    await requests();
    expect(images).toEqual(await paint(await load()));
    expect((await requests()).map(({ line }) => line)).toEqual([REVISION]);
    await fail("revision", { silent: true });
    const controller = new AbortController();
    const aborted = worker.DDPMPipeline.fromPretrained(SOURCE, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await expect(aborted).rejects.toThrow("enough");
    worker.terminate();
  });
});

describe("refusals", () => {
  test("a private repository without a token says what to do", async () => {
    await commit({ isPrivate: true });
    await expect(load()).rejects.toMatchObject({
      code: "AccessDenied",
      message: expect.stringMatching(/hub:owner\/name: .*it needs a token: pass \{ token \}/),
    });
  });

  test("repository, revision and endpoint that are not there", async () => {
    await expect(load({ token: TOKEN })).rejects.toMatchObject({ code: "MissingFile" });
    await commit();
    await expect(load({ revision: "v9" })).rejects.toMatchObject({
      code: "MissingFile",
      message: expect.stringContaining("hub:owner/name at v9: there is no such repository or revision"),
    });
    await init({ files: pageFiles, hubEndpoint: "ftp://host" });
    await expect(load()).rejects.toMatchObject({ code: "InvalidConfig" });
  });

  test("a list whose hashes are none", async () => {
    await commit();
    await fail("tree", { body: JSON.stringify([{ type: "file", path: "model_index.json", oid: "../x", size: 3 }]) });
    await expect(load()).rejects.toMatchObject({ code: "Network" });
  });
});

describe("faults", () => {
  test("a cut connection is gone on from where it was cut", async () => {
    await commit();
    await fail("signature", { cutAfter: 1000 });
    await fail("signature", { cutAfter: 500 });
    await load();
    expect(await ranges()).toEqual([null, "bytes=1000-", "bytes=1500-"]);
    expect(await kept("emberwing-hub-parts")).toEqual([]);
  });

  test("another load goes on from what the first left, which is no content yet", async () => {
    await commit();
    await fail("signature", { cutAfter: 1000 });
    await fail("signature", { cutAfter: 0 }, 4);
    await expect(load()).rejects.toMatchObject({ code: "Network" });
    expect(await blobs()).toHaveLength(3);
    expect(await kept("emberwing-hub-parts")).toEqual([expect.stringMatching(/blobs\/[0-9a-f]{64}\/0-1000$/)]);
    await requests();
    await load();
    expect(await ranges()).toEqual(["bytes=1000-"]);
    expect(await blobs()).toHaveLength(4);
  });

  test("a part that is damaged is thrown away, and the whole is got", async () => {
    await commit();
    await fail("signature", { cutAfter: 1000 });
    await fail("signature", { cutAfter: 0 }, 4);
    await expect(load()).rejects.toMatchObject({ code: "Network" });
    const parts = await caches.open("emberwing-hub-parts");
    const [key] = await parts.keys();
    await parts.put(key as Request, new Response(new Uint8Array(1000)));
    await requests();
    await load();
    expect(await ranges()).toEqual(["bytes=1000-", null]);
  });

  test.each([WEIGHTS, "model_index.json"])("a wrong hash of %s leaves nothing behind", async (path) => {
    await commit();
    await fail(path === WEIGHTS ? "signature" : "GET .*resolve-cache.*model_index", { corrupt: true });
    await expect(load()).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining(`hub:owner/name/${path}`),
    });
    expect(await kept("emberwing-hub-parts")).toEqual([]);
    expect(await blobs()).toHaveLength(PIPELINE.indexOf(path));
    await load();
  });

  test("a server that ignores the range sends the whole", async () => {
    await commit();
    await fail("signature", { cutAfter: 1000 });
    await fail("signature", { ignoreRange: true });
    await load();
    expect(await ranges()).toEqual([null, "bytes=1000-"]);
  });

  test("an abort ends a download and keeps what came", async () => {
    await commit();
    const reason = new Error("enough");
    const controller = new AbortController();
    await fail("signature", { cutAfter: 1000 });
    await fail("signature", { silent: true });
    const aborted = expect(load({ signal: controller.signal })).rejects.toBe(reason);
    // The second request is the one that nothing answers.
    const asked: (string | null)[] = [];
    await expect.poll(async () => asked.push(...(await ranges()))).toBe(2);
    controller.abort(reason);
    await aborted;
    expect(asked).toEqual([null, "bytes=1000-"]);
    await load();
    expect(await ranges()).toEqual(["bytes=1000-"]);
    await expect(load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test("a storage that is full is an error that says so", async () => {
    await commit();
    const put = Cache.prototype.put;
    Cache.prototype.put = () => Promise.reject(new DOMException("no", "QuotaExceededError"));
    try {
      await expect(load()).rejects.toMatchObject({ code: "WriteFailed", message: expect.stringContaining("full") });
    } finally {
      Cache.prototype.put = put;
    }
  });
});

describe("without a network", () => {
  test("what is kept is taken", async () => {
    const hash = await commit();
    const before = await paint(await load());
    await commands.stopHub(endpoint);
    Object.defineProperty(navigator, "onLine", { value: false, configurable: true });
    expect(await paint(await load())).toEqual(before);
    expect(await paint(await load({ revision: hash }))).toEqual(before);
  });

  test("what is not kept is named, at once", async () => {
    await commit();
    await UNet2DModel.loadConfig(SOURCE, { subfolder: "unet" });
    await commands.stopHub(endpoint);
    Object.defineProperty(navigator, "onLine", { value: false, configurable: true });
    const began = performance.now();
    await expect(load()).rejects.toMatchObject({
      code: "MissingFile",
      message: expect.stringMatching(/the cache alone: the hub cannot be reached.*expected model_index.json/),
    });
    await expect(load({ revision: "other" })).rejects.toMatchObject({
      code: "Network",
      message: expect.stringMatching(/hub:owner\/name at other: the connection failed.*tried once/),
    });
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

describe("a data set", () => {
  const DATA = "datasets/owner/pictures";
  const OPTIONS = { resolution: 8, onWarning: () => undefined };

  test("of pictures in folders, with the folders as classes", async () => {
    await commands.commitToHub(endpoint, DATA, { "cats/0.png": "images/rgb.png", "dogs/1.png": "images/rgba.png" });
    const dataset = await loadDataset("hub:owner/pictures", { ...OPTIONS, classLabels: "folder" });
    expect([dataset.length, dataset.classNames]).toEqual([2, ["cats", "dogs"]]);
    await requests();
    expect((await loadDataset("hub:owner/pictures", OPTIONS)).length).toBe(2);
    expect((await requests()).map(({ line }) => line)).toEqual(["GET hub /api/datasets/owner/pictures/revision/main"]);
  });

  test("of Parquet files, one after the other", async () => {
    await commands.commitToHub(endpoint, DATA, {
      "data/train-00000-of-00002.parquet": "parquet/structs.parquet",
      "data/train-00001-of-00002.parquet": "parquet/structs.parquet",
    });
    const dataset = await loadDataset("hub:owner/pictures", OPTIONS);
    expect(dataset.length).toBe(10);
    // Both are one content.
    expect(await ranges()).toHaveLength(1);
  });
});
