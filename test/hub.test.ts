/** What every engine says of the hub; all that needs one is in `test/node` and `test/page`. */
import { DDPMPipeline, DDPMScheduler, DiffusionPipeline, loadDataset, UNet2DModel } from "emberwing";
import { expect, test } from "vitest";

/** In Chromium there is no `process`; WebAssembly in Node is a page's engine too. */
const isPage = globalThis.process?.env.EMBERWING_ENGINE !== "napi";

async function smallPipeline(): Promise<DDPMPipeline> {
  const unet = await UNet2DModel.create({
    ...{ sampleSize: 4, layersPerBlock: 1, blockOutChannels: [8], normNumGroups: 4 },
    ...{ downBlockTypes: ["DownBlock2D"], upBlockTypes: ["UpBlock2D"] },
  });
  return new DDPMPipeline({ unet, scheduler: new DDPMScheduler() });
}

test.runIf(isPage && !globalThis.caches)("without the browser's storage, it says who has it", async () => {
  const uses: (() => Promise<unknown>)[] = [
    () => DiffusionPipeline.fromPretrained("hub:owner/name"),
    () => UNet2DModel.fromPretrained("hub:owner/name", { subfolder: "unet" }),
    () => DDPMScheduler.fromPretrained("hub:owner/name"),
    () => loadDataset("hub:owner/name", { resolution: 8 }),
  ];
  for (const use of uses) {
    const message = expect.stringMatching(/hub:owner\/name: there is no storage .*https.*in Node/);
    await expect(use()).rejects.toMatchObject({ name: "EmberwingError", code: "Unsupported", message });
  }
});

test.runIf(isPage)("a page does not push, and is told what to do", async () => {
  const message = expect.stringMatching(/owner\/name: pages only load .*zip/);
  const pushing = (await smallPipeline()).pushToHub("owner/name");
  await expect(pushing).rejects.toMatchObject({ name: "EmberwingError", code: "Unsupported", message });
});

test.each(["hub:", "hub:a/b/c", "hub:../name"])("%s is no repository", async (source) => {
  await expect(DiffusionPipeline.fromPretrained(source)).rejects.toMatchObject({ code: "InvalidArgument" });
  await expect(loadDataset(source, { resolution: 8 })).rejects.toMatchObject({ code: "InvalidArgument" });
});
