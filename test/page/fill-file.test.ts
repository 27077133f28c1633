/** Files where the browser has no `createWritable`: Safari before 26. */
import { DDPMPipeline, DDPMScheduler, directoryFiles, UNet2DModel } from "emberwing";
import { afterEach, expect, test } from "vitest";
import { createWorker } from "../../ts/src/worker.js";
import { root } from "./page-files.js";

const { prototype } = FileSystemFileHandle;
const { createWritable } = prototype;
afterEach(() => void Object.assign(prototype, { createWritable }));

test("a worker writes, over what is there and over what was left half", async () => {
  const directory = await root.getDirectoryHandle(crypto.randomUUID(), { create: true });
  const script = new Worker(new URL("./worker-before-safari-26.js", import.meta.url), { type: "module" });
  const worker = await createWorker({ worker: script, directory });
  await directoryFiles(directory).write("saved/unet/config.json.part", "x".repeat(10_000));
  const scheduler = await new worker.DDPMScheduler();
  const config = { sampleSize: 8, layersPerBlock: 1, blockOutChannels: [8, 16], normNumGroups: 4 };
  const [downBlockTypes, upBlockTypes] = [["DownBlock2D", "DownBlock2D"] as const, ["UpBlock2D", "UpBlock2D"] as const];
  const blocks = { downBlockTypes: [...downBlockTypes], upBlockTypes: [...upBlockTypes] };
  for (const blockOutChannels of [
    [8, 16],
    [8, 8],
  ]) {
    const unet = await worker.UNet2DModel.create({ ...config, ...blocks, blockOutChannels });
    await (await new worker.DDPMPipeline({ unet, scheduler })).savePretrained("saved");
    const again = await DDPMPipeline.fromPretrained(await directory.getDirectoryHandle("saved"));
    expect(await again.unet.parameters()).toEqual(await unet.parameters());
  }
  expect(await directoryFiles(directory).list("saved", { recursive: true })).toEqual([
    ...["model_index.json", "scheduler/scheduler_config.json", "unet/config.json"],
    "unet/diffusion_pytorch_model.safetensors",
  ]);
  worker.terminate();
});

test("a page says that a worker can", async () => {
  Reflect.deleteProperty(prototype, "createWritable");
  Reflect.deleteProperty(prototype, "createSyncAccessHandle");
  const unet = await UNet2DModel.create({ sampleSize: 8 });
  const pipeline = new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
  const directory = await root.getDirectoryHandle(crypto.randomUUID(), { create: true });
  await expect(pipeline.savePretrained(directory)).rejects.toMatchObject({
    code: "WriteFailed",
    message: expect.stringMatching(/only workers write files.*createWorker\(\{ directory \}\)/),
  });
});
