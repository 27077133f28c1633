/**
 * Unit 1 of the diffusion course with the training loop by hand: noise, prediction, loss, step.
 *
 *   node examples/train.ts          the whole run, writes my_pipeline/ and butterflies.png
 *   TINY=1 node examples/train.ts   every size small: seconds, and no butterflies
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AdamW,
  DataLoader,
  DDPMPipeline,
  DDPMScheduler,
  Generator,
  imageGrid,
  loadDataset,
  noiseLevelsFigure,
  plotLosses,
  UNet2DModel,
} from "emberwing";

const { TINY, OUTPUT = "." } = process.env;
const sizes = TINY
  ? { images: 8, resolution: 16, channels: [32, 32, 32, 64], batchSize: 4, epochs: 1, steps: 2 }
  : { images: 1000, resolution: 32, channels: [64, 128, 128, 256], batchSize: 64, epochs: 30, steps: 1000 };

// One generator for everything that is random: a seed makes the same model, on every machine.
const generator = new Generator(0);
const { resolution, batchSize } = sizes;

const dataset = await loadDataset("butterflies", { resolution, randomFlip: true, size: sizes.images });
const unet = await UNet2DModel.create(
  {
    sampleSize: resolution,
    layersPerBlock: 2,
    blockOutChannels: sizes.channels,
    downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  },
  { generator },
);
const scheduler = new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });
const optimizer = new AdamW(unet, { learningRate: 4e-4 });

const losses: number[] = [];
for (let epoch = 1; epoch <= sizes.epochs; epoch++) {
  for await (const clean of new DataLoader(dataset, { batchSize, generator })) {
    // Each picture gets noise of its own strength; the model is to say what the noise was.
    const noise = generator.randn(clean.shape);
    const timesteps = generator.randint(0, 1000, [clean.shape[0] ?? 0]);
    const noisy = scheduler.addNoise(clean, noise, timesteps);
    const { loss } = await unet.backward({ sample: noisy, timesteps, target: noise });
    await optimizer.step();
    await optimizer.zeroGrad();
    losses.push(loss);
  }
  console.log(`epoch ${epoch}: loss ${losses.at(-1)?.toFixed(4)}`);
}

await mkdir(OUTPUT, { recursive: true });
await writeFile(join(OUTPUT, "loss.svg"), plotLosses(losses));

// The course's figure: pictures on their way to noise.
for await (const clean of new DataLoader(dataset, { batchSize: 4, generator })) {
  await noiseLevelsFigure(scheduler, clean, generator).save(join(OUTPUT, "noise-levels.png"));
  break;
}

const pipeline = new DDPMPipeline({ unet, scheduler });
await pipeline.savePretrained(join(OUTPUT, "my_pipeline"));
const { images } = await pipeline.generate({ batchSize: 8, numInferenceSteps: sizes.steps, seed: 0 });
await imageGrid(images).save(join(OUTPUT, "butterflies.png"));
