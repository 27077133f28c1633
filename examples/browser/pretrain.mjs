/**
 * Trains the model that the page opens with, on the built-in butterflies, and writes it in half precision to
 * `public/model`. Pictures that it paints are in `emberwing-output/demo.png` then.
 *
 *   npm run demo:pretrain
 *   STEPS=20 OUTPUT=/tmp/model npm run demo:pretrain   few steps, elsewhere
 *
 * Takes about 25 minutes on two cores. The same seed on the same machine gives the same file.
 */

import { fileURLToPath } from "node:url";
import {
  DDIMPipeline,
  DDIMScheduler,
  DDPMPipeline,
  DDPMScheduler,
  Generator,
  imageGrid,
  loadDataset,
  Trainer,
  UNet2DModel,
} from "emberwing";

const { STEPS = "3000", OUTPUT = fileURLToPath(new URL("public/model", import.meta.url)) } = process.env;
const generator = new Generator(0);

const model = await UNet2DModel.create(
  {
    sampleSize: 32,
    layersPerBlock: 1,
    blockOutChannels: [32, 48, 64, 64],
    normNumGroups: 8,
    downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
    upBlockTypes: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  },
  { generator },
);
// The velocity, which few steps suffice for (Salimans and Ho 2022).
const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", predictionType: "v_prediction" });
const trainer = new Trainer({
  model,
  scheduler,
  dataset: await loadDataset("butterflies", { resolution: 32, randomFlip: true }),
  steps: Number(STEPS),
  batchSize: 16,
  learningRate: 1.5e-3,
  lrScheduler: "cosine",
  lrWarmupSteps: Math.min(100, Math.floor(Number(STEPS) / 10)),
  maxGradNorm: 1,
  useEma: true,
  // An average over the last hundred steps or so: the run is short.
  emaMaxDecay: 0.99,
  generator,
});
for await (const event of trainer.run()) {
  if (event.type === "step" && event.step % 50 === 0) console.log(`step ${event.step}: loss ${event.loss.toFixed(4)}`);
}

const pipeline = new DDPMPipeline({ unet: await trainer.emaModel(), scheduler });
await pipeline.savePretrained(OUTPUT, { dtype: "float16" });

// What was written, painted with as the page does.
const { unet } = await DDPMPipeline.fromPretrained(OUTPUT);
const ddim = DDIMScheduler.fromConfig(scheduler, { timestepSpacing: "trailing" });
const { images } = await new DDIMPipeline({ unet, scheduler: ddim }).generate({
  batchSize: 16,
  numInferenceSteps: 25,
  seed: 0,
});
await imageGrid(images).save("emberwing-output/demo.png");
