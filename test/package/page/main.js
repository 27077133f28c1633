/** What a user's page does: trains one step and draws. The test reads `globalThis.result`. */
import { DDPMPipeline, DDPMScheduler, init, loadDataset, Trainer, UNet2DModel } from "emberwing";

async function main() {
  const start = performance.now();
  await init();
  const initialized = performance.now() - start;
  const model = await UNet2DModel.create({
    sampleSize: 8,
    layersPerBlock: 1,
    blockOutChannels: [8, 8],
    normNumGroups: 4,
    downBlockTypes: ["DownBlock2D", "DownBlock2D"],
    upBlockTypes: ["UpBlock2D", "UpBlock2D"],
  });
  const scheduler = new DDPMScheduler();
  const dataset = await loadDataset("butterflies", { size: 4, resolution: 8 });
  const losses = [];
  for await (const event of new Trainer({ model, scheduler, dataset, steps: 1, batchSize: 4 }).run()) {
    if (event.type === "step") losses.push(event.loss);
  }
  const pipeline = new DDPMPipeline({ unet: model, scheduler });
  const { images } = await pipeline.generate({ numInferenceSteps: 2, seed: 0 });
  return { initialized, losses, widths: images.map(({ width }) => width) };
}

globalThis.result = main().catch((error) => ({ error: String(error) }));
