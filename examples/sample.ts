/**
 * Pictures from a saved pipeline: in one call, then by hand, step by step.
 *
 *   node examples/sample.ts my_pipeline
 *   STEPS=2 node examples/sample.ts my_pipeline   fewer denoising steps
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { join } from "node:path";
import { DDIMScheduler, DDPMPipeline, Generator, imageGrid, imagesFromTensor } from "emberwing";

const { STEPS = "50", OUTPUT = ".", PIPELINE = process.argv[2] ?? "my_pipeline" } = process.env;
const numInferenceSteps = Number(STEPS);

const pipeline = await DDPMPipeline.fromPretrained(PIPELINE);
const { images } = await pipeline.generate({
  batchSize: 8,
  numInferenceSteps,
  seed: 0,
  onStep: ({ step, total }) => console.log(`step ${step} of ${total}`),
});
await imageGrid(images).save(join(OUTPUT, "ddpm.png"));

// By hand, and with another scheduler: DDIM draws well in 50 steps what DDPM needs 1000 for.
const { unet } = pipeline;
const scheduler = DDIMScheduler.fromConfig(pipeline.scheduler);
const generator = new Generator(0);
const size = Number(unet.config.sampleSize);
scheduler.setTimesteps(numInferenceSteps);
let sample = generator.randn([8, unet.config.inChannels, size, size]);
for (const t of scheduler.timesteps) {
  const modelOutput = await unet.forward(scheduler.scaleModelInput(sample, t), t);
  sample = scheduler.step(modelOutput, t, sample, { generator }).prevSample;
}
await imageGrid(imagesFromTensor(sample)).save(join(OUTPUT, "ddim.png"));
