/** What every engine says of the hub; all that needs one is in `test/node`. */
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

test.runIf(isPage)("a page is told that the hub is not there yet, and what to do", async () => {
  const uses: (() => Promise<unknown>)[] = [
    () => DiffusionPipeline.fromPretrained("hub:owner/name"),
    () => UNet2DModel.fromPretrained("hub:owner/name", { subfolder: "unet" }),
    () => DDPMScheduler.fromPretrained("hub:owner/name"),
    () => loadDataset("hub:owner/name", { resolution: 8 }),
    async () => (await smallPipeline()).pushToHub("owner/name"),
  ];
  for (const use of uses) {
    const message = expect.stringMatching(/owner\/name: the hub is only there in Node yet; .*File/);
    await expect(use()).rejects.toMatchObject({ name: "EmberwingError", code: "Unsupported", message });
  }
});

test.each(["hub:", "hub:a/b/c", "hub:../name"])("%s is no repository", async (source) => {
  await expect(DiffusionPipeline.fromPretrained(source)).rejects.toMatchObject({ code: "InvalidArgument" });
  await expect(loadDataset(source, { resolution: 8 })).rejects.toMatchObject({ code: "InvalidArgument" });
});
