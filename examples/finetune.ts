/**
 * Goes on with a trained pipeline on other pictures.
 *
 *   node examples/finetune.ts my_pipeline photos
 *   TINY=1 node examples/finetune.ts my_pipeline photos   few steps
 *
 * The first argument is a folder that emberwing or diffusers saved, the second a folder of pictures, a .parquet file, or
 * "butterflies". Writes finetuned/, and the same noise drawn before and after.
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { join } from "node:path";
import { DDIMPipeline, DDPMPipeline, imageGrid, loadDataset, Trainer } from "emberwing";

const { TINY, OUTPUT = "." } = process.env;
const { PIPELINE = process.argv[2] ?? "my_pipeline", PICTURES = process.argv[3] ?? "butterflies" } = process.env;

const { unet, scheduler } = await DDPMPipeline.fromPretrained(PIPELINE);
const { inChannels, sampleSize } = unet.config;
if (typeof sampleSize !== "number" || (inChannels !== 1 && inChannels !== 3)) {
  throw new Error(`${PIPELINE}: expected a model of square pictures, grey or in colour`);
}
const dataset = await loadDataset(PICTURES, { resolution: sampleSize, channels: inChannels, randomFlip: true });

/** DDIM shows in few steps where the model stands. */
async function draw(name: string): Promise<void> {
  const pipeline = new DDIMPipeline({ unet, scheduler });
  const { images } = await pipeline.generate({ batchSize: 8, numInferenceSteps: TINY ? 2 : 50, seed: 0 });
  await imageGrid(images).save(join(OUTPUT, name));
}

await draw("before.png");
const trainer = new Trainer({
  model: unet,
  scheduler,
  dataset,
  steps: TINY ? 2 : 1000,
  batchSize: TINY ? 2 : 16,
  // A tenth of what the model was trained with: it is to change, not to forget.
  learningRate: 4e-5,
  lrScheduler: "constant_with_warmup",
  lrWarmupSteps: 50,
  maxGradNorm: 1,
  seed: 0,
  outputDir: join(OUTPUT, "finetuned"),
});
for await (const event of trainer.run()) {
  if (event.type === "step" && event.step % 50 === 0) console.log(`step ${event.step}: loss ${event.loss.toFixed(4)}`);
}
await draw("after.png");
