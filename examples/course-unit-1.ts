/**
 * Unit 1 of the Hugging Face diffusion course, the notebook "Introduction to Diffusers", in its order.
 *
 *   node examples/course-unit-1.ts          the whole of it, everything in the folder course-unit-1/
 *   TINY=1 node examples/course-unit-1.ts   every size small: seconds, and no butterflies
 *   DATASET=train.parquet PRETRAINED=ddpm-butterflies-32px node examples/course-unit-1.ts
 *                                           the course's photographs, and a preview with the course's own model
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AdamW,
  DataLoader,
  DDPMPipeline,
  DDPMScheduler,
  Generator,
  imageGrid,
  imagesFromTensor,
  loadDataset,
  noiseLevelsFigure,
  plotLosses,
  plotNoiseSchedule,
  type Tensor,
  UNet2DModel,
} from "emberwing";

const { TINY, OUTPUT = "course-unit-1", DATASET = "butterflies", PRETRAINED } = process.env;
const sizes = TINY
  ? { images: 8, resolution: 16, channels: [32, 32, 32, 64] as const, batchSize: 4, epochs: 2, steps: 2 }
  : { images: 1000, resolution: 32, channels: [64, 128, 128, 256] as const, batchSize: 64, epochs: 30, steps: 1000 };
const { resolution, batchSize } = sizes;

await mkdir(OUTPUT, { recursive: true });
const output = (name: string): string => join(OUTPUT, name);
const showImages = (tensor: Tensor, name: string) => imageGrid(imagesFromTensor(tensor)).save(output(name));

// One generator for everything that is random: a seed makes the same model, on every machine.
const generator = new Generator(0);

// ---- A pipeline in action -----------------------------------------------------------------------------------------
if (PRETRAINED) {
  const preview = await DDPMPipeline.fromPretrained(PRETRAINED);
  const { images } = await preview.generate({ batchSize: 8, numInferenceSteps: sizes.steps, seed: 0 });
  await imageGrid(images).save(output("01-pretrained.png"));
}

// ---- Step 2: a training set ---------------------------------------------------------------------------------------
// Resized, mirrored at random, scaled to [-1, 1].
const options = { resolution, resize: "exact", randomFlip: true } as const;
const dataset =
  DATASET === "butterflies"
    ? await loadDataset(DATASET, { ...options, size: sizes.images })
    : await loadDataset(DATASET, options);
const batches = new DataLoader(dataset, { batchSize, generator });

const { value: batch } = await batches[Symbol.asyncIterator]().next();
if (!batch) throw new Error("the data set is empty");
const count = Math.min(8, batch.shape[0] ?? 0);
const xb: Tensor = {
  data: batch.data.slice(0, count * 3 * resolution ** 2),
  shape: [count, 3, resolution, resolution],
};
console.log("xb:", xb.shape);
await showImages(xb, "02-training-images.png");

// ---- Step 3: the scheduler ----------------------------------------------------------------------------------------
const schedules = {
  default: new DDPMScheduler({ numTrainTimesteps: 1000 }),
  "too-little-noise": new DDPMScheduler({ numTrainTimesteps: 1000, betaStart: 0.001, betaEnd: 0.004 }),
  cosine: new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" }),
};
for (const [name, schedule] of Object.entries(schedules)) {
  await writeFile(output(`03-schedule-${name}.svg`), plotNoiseSchedule(schedule));
}

// Each picture with more noise than the one before it.
const timesteps = Array.from({ length: count }, (_, index) => Math.trunc((999 * index) / Math.max(count - 1, 1)));
const noise = generator.randn(xb.shape);
const noisyXb = schedules.default.addNoise(xb, noise, timesteps);
console.log("noisy xb:", noisyXb.shape);
await showImages(noisyXb, "04-noisy-images.png");
await noiseLevelsFigure(schedules.default, xb, generator).save(output("05-noise-levels.png"));

// ---- Step 4: the model --------------------------------------------------------------------------------------------
const model = await UNet2DModel.create(
  {
    sampleSize: resolution,
    inChannels: 3,
    outChannels: 3,
    layersPerBlock: 2,
    blockOutChannels: [...sizes.channels],
    downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  },
  { generator },
);
console.log("prediction:", (await model.forward(noisyXb, timesteps)).shape);
console.log("parameters:", model.countParameters());

// ---- Step 5: the training loop ------------------------------------------------------------------------------------
const scheduler = new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });
const optimizer = new AdamW(model, { learningRate: 4e-4 });
const losses: number[] = [];
for (let epoch = 1; epoch <= sizes.epochs; epoch++) {
  let steps = 0;
  for await (const clean of batches) {
    // Each picture gets noise of its own strength; the model is to say what the noise was.
    const noise = generator.randn(clean.shape);
    const timesteps = generator.randint(0, scheduler.config.numTrainTimesteps, [clean.shape[0] ?? 0]);
    const noisy = scheduler.addNoise(clean, noise, timesteps);
    const { loss } = await model.backward({ sample: noisy, timesteps, target: noise });
    await optimizer.step();
    await optimizer.zeroGrad();
    losses.push(loss);
    steps++;
  }
  if (epoch % 5 === 0 || epoch === sizes.epochs) {
    const mean = losses.slice(-steps).reduce((sum, loss) => sum + loss, 0) / steps;
    console.log(`epoch ${epoch}, loss ${mean.toFixed(4)}`);
  }
}
// Plain and logarithmic, side by side.
await writeFile(output("06-losses.svg"), plotLosses(losses));

// ---- Step 6: generate images, first with a pipeline -----------------------------------------------------------------
const pipeline = new DDPMPipeline({ unet: model, scheduler });
const { images } = await pipeline.generate({ numInferenceSteps: sizes.steps, seed: 0 });
await images[0]?.save(output("07-sample.png"));
await pipeline.savePretrained(output("my_pipeline"));
console.log("my_pipeline:", (await readdir(output("my_pipeline"))).join(" "));
console.log("my_pipeline/unet:", (await readdir(output("my_pipeline/unet"))).join(" "));

// … then with a sampling loop of our own.
scheduler.setTimesteps(sizes.steps);
let sample = generator.randn([8, 3, resolution, resolution]);
for (const t of scheduler.timesteps) {
  const residual = await model.forward(sample, t);
  sample = scheduler.step(residual, t, sample, { generator }).prevSample;
}
await showImages(sample, "08-samples-by-hand.png");

// ---- Step 7: share it ---------------------------------------------------------------------------------------------
// The model card that belongs into a repository of the Hub, beside the files of the pipeline.
const card = `---
license: mit
tags:
- pytorch
- diffusers
- unconditional-image-generation
- diffusion-models-class
---

# Model Card for Unit 1 of the Diffusion Models Class

This model is a diffusion model for unconditional image generation of cute butterflies.

\`\`\`ts
import { DDPMPipeline } from "emberwing";
const pipeline = await DDPMPipeline.fromPretrained("my_pipeline");
const { images } = await pipeline.generate();
\`\`\`
`;
await writeFile(output("my_pipeline/README.md"), card);
const reloaded = await DDPMPipeline.fromPretrained(output("my_pipeline"));
const again = await reloaded.generate({ batchSize: 4, numInferenceSteps: sizes.steps, seed: 1 });
await imageGrid(again.images).save(output("09-reloaded.png"));

// ---- Scaling up ---------------------------------------------------------------------------------------------------
const flags = [
  "--resolution 64",
  "--train-batch-size 32",
  "--num-epochs 50",
  "--learning-rate 1e-4",
  "--lr-warmup-steps 500",
];
console.log("The course's last run:");
console.log(`  npx emberwing train --preset script --dataset-name ${DATASET} ${flags.join(" ")}`);
