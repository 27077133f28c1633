/**
 * What stands beside the arithmetic of a training run: the data loader, checkpoints, logs and the report, each against a
 * train step of the course's model.
 *
 *     node bench/overhead.mjs [--steps 6]
 */

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DataLoader, DDPMScheduler, Generator, imagesFromTensor, loadDataset, Trainer, UNet2DModel } from "emberwing";

const { values } = parseArgs({ options: { steps: { type: "string", default: "6" } } });
const STEPS = Number(values.steps);
const BATCH = 64;

const generator = new Generator(0);
const PICTURES = { resolution: 32, randomFlip: true };
const dataset = await loadDataset("butterflies", { ...PICTURES, size: 1000 });
const model = await UNet2DModel.create(
  {
    sampleSize: 32,
    blockOutChannels: [64, 128, 128, 256],
    downBlockTypes: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    upBlockTypes: ["AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  },
  { generator },
);

/** The same pictures as PNG files of four times the side, read and decoded for every batch. */
async function streamedRate() {
  const folder = await mkdtemp(join(tmpdir(), "emberwing-bench-"));
  const large = await loadDataset("butterflies", { resolution: 4 * PICTURES.resolution, size: 200 });
  for (let index = 0; index < large.length; index++) {
    const { data, shape } = await large.item(index);
    const [picture] = imagesFromTensor({ data, shape: [1, ...shape] });
    await picture.save(join(folder, `${index}.png`));
  }
  const streamed = await loadDataset(folder, { ...PICTURES, streaming: true });
  const rate = await loaderRate(streamed);
  await rm(folder, { recursive: true });
  return rate;
}

async function loaderRate(dataset) {
  const start = performance.now();
  let images = 0;
  for (let epoch = 0; epoch < 5; epoch++) {
    for await (const batch of new DataLoader(dataset, { batchSize: BATCH, generator })) images += batch.shape[0];
  }
  return (1000 * images) / (performance.now() - start);
}

/** Milliseconds of each step, and of the checkpoint after the last. */
async function trainStep(options) {
  const outputDir = await mkdtemp(join(tmpdir(), "emberwing-bench-"));
  const scheduler = new DDPMScheduler({ betaSchedule: "squaredcos_cap_v2" });
  const output = { outputDir, checkpointingSteps: STEPS };
  const trainer = new Trainer({
    model,
    scheduler,
    dataset,
    generator,
    batchSize: BATCH,
    steps: STEPS,
    ...output,
    ...options,
  });
  const times = [];
  let checkpoint = 0;
  let asked = performance.now();
  for await (const event of trainer.run()) {
    const took = performance.now() - asked;
    if (event.type === "step") times.push(took);
    if (event.type === "checkpoint") checkpoint = took;
    asked = performance.now();
  }
  trainer.dispose();
  await rm(outputDir, { recursive: true });
  return { step: median(times), checkpoint };
}

/**
 * The share of a run by the command that is not the steps themselves: events, both logs, the report. The log's last
 * number is the time of the steps alone, and its last change came after everything that was written on the way.
 */
async function watchingShare(steps) {
  const folder = await mkdtemp(join(tmpdir(), "emberwing-bench-"));
  const cli = fileURLToPath(new URL("../dist/cli.mjs", import.meta.url));
  const flags = ["--max-train-steps", String(steps), "--save-images-epochs", "1000", "--ddpm-num-inference-steps", "1"];
  execFileSync(process.execPath, [cli, "train", "--preset", "course", ...flags, "--output-dir", folder], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const log = join(folder, "metrics.jsonl");
  const { seconds } = JSON.parse((await readFile(log, "utf8")).trim().split("\n").at(-1));
  const { began } = JSON.parse(await readFile(join(folder, "run.json"), "utf8"));
  const passed = ((await stat(log)).mtimeMs - Date.parse(began)) / 1000;
  await rm(folder, { recursive: true });
  return (passed - seconds) / seconds;
}

/** Milliseconds of handing an event over and of everything else that is not arithmetic, with a model of almost none. */
async function eventTime() {
  const small = await UNet2DModel.create({
    ...{ sampleSize: 2, inChannels: 1, outChannels: 1, layersPerBlock: 1, blockOutChannels: [1], normNumGroups: 1 },
    ...{ downBlockTypes: ["DownBlock2D"], upBlockTypes: ["UpBlock2D"], midBlockType: null },
  });
  const pixels = await loadDataset(new Float32Array(4), { shape: [1, 1, 2, 2] });
  const trainer = new Trainer({
    model: small,
    scheduler: new DDPMScheduler(),
    dataset: pixels,
    batchSize: 1,
    steps: 2000,
  });
  const start = performance.now();
  for await (const event of trainer.run()) if (event.type === "done") break;
  return (performance.now() - start) / 2000;
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

const loader = await loaderRate(dataset);
const streamed = await streamedRate();
const plain = await trainStep({});
const average = await trainStep({ useEma: true });
const consumed = (1000 * BATCH) / plain.step;
const share = (part) => `${((100 * part) / plain.step).toFixed(2)} % of a step`;
const events = await eventTime();
console.log(`train step, batch ${BATCH}: ${plain.step.toFixed(0)} ms, ${consumed.toFixed(1)} images/s`);
console.log(`data loader: ${loader.toFixed(0)} images/s, ${(loader / consumed).toFixed(0)} times what the step takes`);
console.log(`data loader, streaming: ${streamed.toFixed(0)} images/s, ${(streamed / consumed).toFixed(0)} times`);
console.log(`whole step of a model of a few weights, event included: ${events.toFixed(2)} ms, ${share(events)}`);
console.log(`moving average: ${(average.step - plain.step).toFixed(0)} ms, ${share(average.step - plain.step)}`);
console.log(`checkpoint: ${plain.checkpoint.toFixed(0)} ms; every 500 steps, ${share(plain.checkpoint / 500)}`);
const watching = await watchingShare(Math.min(3 * STEPS, 15));
console.log(`events, metrics.jsonl, TensorBoard log and report.html: ${(100 * watching).toFixed(2)} % of the steps`);
