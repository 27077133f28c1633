/**
 * A model that draws what it is asked for: discs, squares or crosses, learned from drawings with labels.
 *
 *   node examples/class-conditional.ts          minutes; writes shapes/ and shapes.png, a row for each class
 *   TINY=1 node examples/class-conditional.ts   few steps: seconds, and no shapes
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { join } from "node:path";
import { DDIMPipeline, DDPMScheduler, Generator, Image, imageGrid, loadDataset, Trainer, UNet2DModel } from "emberwing";

const { TINY, OUTPUT = "." } = process.env;
const SIZE = 16;

/** Whether a pixel, seen from the middle of the shape in units of its radius, belongs to it. */
const shapes: Record<string, (x: number, y: number) => boolean> = {
  disc: (x, y) => x * x + y * y < 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) < 0.9,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) < 0.35 && Math.max(Math.abs(x), Math.abs(y)) < 1,
};

/** A grey picture of a shape; place and size are drawn. */
function drawShape(inside: (x: number, y: number) => boolean, generator: Generator): Image {
  const [u = 0, v = 0, w = 0] = generator.rand([3]).data;
  const radius = 4 + 2 * w;
  const [centerX, centerY] = [radius + (SIZE - 2 * radius) * u, radius + (SIZE - 2 * radius) * v];
  const data = Uint8Array.from({ length: SIZE * SIZE }, (_, index) => {
    const [x, y] = [(index % SIZE) + 0.5, Math.floor(index / SIZE) + 0.5];
    return inside((x - centerX) / radius, (y - centerY) / radius) ? 230 : 20;
  });
  return new Image(data, SIZE, SIZE, 1);
}

const generator = new Generator(0);
const names = Object.keys(shapes).sort();
const perClass = TINY ? 2 : 300;
const drawings = names.flatMap((name) =>
  Array.from({ length: perClass }, () => ({ name, image: drawShape(shapes[name] ?? (() => false), generator) })),
);
const dataset = await loadDataset(
  drawings.map(({ image }) => image.toPNG()),
  { resolution: SIZE, channels: 1, classLabels: drawings.map(({ name }) => name) },
);
console.log(`${dataset.length} drawings of ${dataset.classNames.join(", ")}`);

const model = await UNet2DModel.create(
  {
    sampleSize: SIZE,
    inChannels: 1,
    outChannels: 1,
    numClassEmbeds: dataset.classNames.length,
    layersPerBlock: 1,
    blockOutChannels: [32, 64],
    downBlockTypes: ["DownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "UpBlock2D"],
  },
  { generator },
);
const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2", predictionType: "v_prediction" });
const trainer = new Trainer({
  ...{ model, scheduler, dataset, generator },
  ...{ epochs: TINY ? 1 : 40, batchSize: TINY ? 6 : 32, learningRate: 1e-3, lrScheduler: "cosine", useEma: true },
  outputDir: join(OUTPUT, "shapes"),
});
for await (const event of trainer.run()) {
  if (event.type === "epoch") console.log(`epoch ${event.epoch}: mean loss ${event.loss.toFixed(4)}`);
}

const columns = 8;
const pipeline = new DDIMPipeline({ unet: await trainer.emaModel(), scheduler });
const { images } = await pipeline.generate({
  classLabels: names.map((_, index) => index),
  numPerClass: columns,
  numInferenceSteps: TINY ? 2 : 50,
  seed: 0,
});
await imageGrid(images, { columns }).save(join(OUTPUT, "shapes.png"));
