/**
 * Trains with the `Trainer`: the loop runs inside Rust and reports its steps. Ctrl-C stops it and leaves a pipeline and a
 * checkpoint; started again, it goes on from there.
 *
 *   node examples/train-butterflies.ts
 *   TINY=1 node examples/train-butterflies.ts   every size small
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { join } from "node:path";
import { DDPMPipeline, DDPMScheduler, Generator, imageGrid, loadDataset, Trainer, UNet2DModel } from "emberwing";

const { TINY, OUTPUT = "." } = process.env;
const sizes = TINY
  ? { images: 8, resolution: 16, channels: [32, 64], batchSize: 4, epochs: 2, steps: 2 }
  : { images: 1000, resolution: 32, channels: [64, 128], batchSize: 64, epochs: 30, steps: 1000 };
const outputDir = join(OUTPUT, "my_pipeline");

const generator = new Generator(0);
const model = await UNet2DModel.create(
  {
    sampleSize: sizes.resolution,
    blockOutChannels: sizes.channels,
    downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
  },
  { generator },
);

const trainer = new Trainer({
  model,
  scheduler: new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" }),
  dataset: await loadDataset("butterflies", { resolution: sizes.resolution, randomFlip: true, size: sizes.images }),
  epochs: sizes.epochs,
  batchSize: sizes.batchSize,
  learningRate: 4e-4,
  lrScheduler: "cosine",
  lrWarmupSteps: 20,
  maxGradNorm: 1,
  useEma: true,
  generator,
  outputDir,
  checkpointingSteps: 100,
  checkpointsTotalLimit: 2,
  resumeFromCheckpoint: "latest",
});

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
try {
  for await (const event of trainer.run({ signal: stop.signal })) {
    if (event.type === "resumed") console.log(`going on from ${event.path}`);
    if (event.type === "epoch") console.log(`epoch ${event.epoch}: mean loss ${event.loss.toFixed(4)}`);
  }
  // What was saved draws with the averaged weights.
  const pipeline = await DDPMPipeline.fromPretrained(outputDir);
  const { images } = await pipeline.generate({ batchSize: 8, numInferenceSteps: sizes.steps, seed: 0 });
  await imageGrid(images).save(join(OUTPUT, "butterflies.png"));
} catch (error) {
  // An abort rejects with the signal's reason; anything else went wrong.
  if (error !== stop.signal.reason) throw error;
  console.log("stopped early");
}
