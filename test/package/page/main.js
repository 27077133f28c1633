/**
 * What a user's page does: trains one step, draws, saves, draws in a worker, and asks a hub. The test reads
 * `globalThis.result`.
 */

import { DDPMPipeline, DDPMScheduler, init, loadDataset, Trainer, UNet2DModel, zip } from "emberwing";
import { createWorker } from "emberwing/worker";

async function main() {
  // The page's own server, which has no repositories.
  const hubEndpoint = new URL("hub", location.href);
  /** The entry for pages, which takes more than Node's, whose types are checked here. @type {(options: object) => Promise<void>} */
  const initPage = init;
  await initPage({ hubEndpoint });
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
  const files = new Map();
  await pipeline.savePretrained(files);
  const saved = [...new Uint8Array(await (await zip(files)).arrayBuffer())];
  const worker = await createWorker({ hubEndpoint });
  const again = await worker.DDPMPipeline.fromPretrained(files);
  const inWorker = await again.generate({ numInferenceSteps: 2, seed: 0 });
  /** @param {import("emberwing").Image[]} pictures */
  const bytes = (pictures) => pictures.flatMap(({ data }) => [...data]);
  const asked = await Promise.allSettled([
    DDPMPipeline.fromPretrained("hub:owner/name"),
    worker.DDPMPipeline.fromPretrained("hub:owner/name"),
  ]);
  const hub = asked.map((answer) => answer.status === "rejected" && answer.reason.code);
  return { hub, losses, picture: bytes(images), fromWorker: bytes(inWorker.images), saved };
}

globalThis.result = main().catch((error) => ({ error: String(error) }));
