/** `emberwing sample`: pictures from a pipeline folder. */
import { join, parse } from "node:path";
import type { Command } from "commander";
import { type Image, imageGrid } from "../images.js";
import type { StepProgress } from "../pipelines/diffusion-pipeline.js";
import type { UnconditionalPipeline } from "../pipelines/unconditional-pipeline.js";
import { nodeFiles } from "../platform/node-files.js";
import { Generator } from "../random/generator.js";
import { addDeviceFlags, checkDevice, type DeviceFlags, deviceOptions } from "./device-flags.js";
import { usageError } from "./failure.js";
import { loadPipeline } from "./load-pipeline.js";
import { showProgress } from "./progress.js";
import { classesInTurn } from "./sampling.js";
import { type NamedScheduler, schedulerNamed, schedulerShortNames } from "./scheduler-names.js";
import { formatTable } from "./table.js";
import { integerFrom, integersFrom } from "./values.js";

interface SampleFlags extends DeviceFlags {
  pipeline: string;
  numImages: number;
  numInferenceSteps?: number;
  evalBatchSize: number;
  scheduler?: NamedScheduler;
  seed: number;
  output: string;
  classLabels?: number[];
}

const EXAMPLES = `
Examples:
  emberwing sample --pipeline emberwing-output
  emberwing sample --pipeline emberwing-output --num-images 64 --scheduler dpm++ --steps 20
  emberwing sample --pipeline emberwing-output --scheduler "Euler a" --steps 30 --seed 7 --output seven.png
  emberwing sample --pipeline birds --class-labels 0,3
  emberwing sample --pipeline hub:owner/name

Schedulers:
  ${schedulerShortNames.join(", ")},
  some with _karras, _exponential or _beta at the end, or a class of diffusers, such as UniPCMultistepScheduler.
  What they are: docs/schedulers.md.`;

export function addSampleCommand(program: Command): void {
  const command = program
    .command("sample")
    .description("draw pictures with a trained pipeline")
    .requiredOption("--pipeline <folder>", "a folder that emberwing or diffusers saved, or hub:owner/name")
    .option("--num-images <n>", "how many pictures", integerFrom(1), 16)
    .option(
      "--steps, --num-inference-steps <n>",
      "denoising steps (default: with --scheduler 1000 for ddpm, 4 for lcm and tcd, 50 for others, else the pipeline's)",
      integerFrom(1),
    )
    .option("--eval-batch-size <n>", "pictures that are denoised together", integerFrom(1), 16)
    .option("--scheduler <name>", "in place of the pipeline's own: see below", schedulerNamed)
    .option("--seed <n>", "the same seed draws the same pictures", integerFrom(0), 0)
    .option("--output <file>", "the sheet; single pictures go to a folder of the same name", "samples.png")
    .option("--class-labels <numbers>", "the classes to draw in turn, such as 0,2 (default: all)", integersFrom(0))
    .addHelpText("after", EXAMPLES)
    .action(sample);
  addDeviceFlags(command);
}

async function sample(flags: SampleFlags): Promise<void> {
  checkDevice(flags);
  // Through `exit`, so that the progress bar gives the terminal back.
  process.once("SIGINT", () => process.exit(130));
  const folder = await openOutput(flags.output);
  const pipeline = await loadPipeline(flags.pipeline, deviceOptions(flags));
  const { scheduler } = flags;
  if (scheduler) pipeline.scheduler = scheduler.Class.fromConfig(pipeline.scheduler, scheduler.options);
  const images = await draw(pipeline, flags);
  for (const [index, image] of images.entries()) {
    await image.save(join(folder, `${String(index + 1).padStart(4, "0")}.png`));
  }
  await imageGrid(images).save(flags.output);
  process.stdout.write(
    formatTable([
      ["sheet", flags.output],
      ["pictures", folder],
    ]),
  );
}

/** Makes the folder for the single pictures beside the sheet, before time is spent on drawing them. */
async function openOutput(output: string): Promise<string> {
  const { dir, name, ext } = parse(output);
  if (![".png", ".jpg", ".jpeg"].includes(ext.toLowerCase())) {
    throw usageError(`--output: expected a name that ends in .png, .jpg or .jpeg, got ${JSON.stringify(output)}`);
  }
  const folder = join(dir, name);
  await nodeFiles.makeWritable(folder);
  return folder;
}

/** In batches from one generator, so that memory does not grow with the number of pictures. */
async function draw(pipeline: UnconditionalPipeline, flags: SampleFlags): Promise<Image[]> {
  const generator = new Generator(flags.seed);
  const numInferenceSteps = flags.numInferenceSteps ?? flags.scheduler?.numInferenceSteps;
  const classLabels = classesOf(pipeline, flags);
  const images: Image[] = [];
  while (images.length < flags.numImages) {
    const batchSize = Math.min(flags.evalBatchSize, flags.numImages - images.length);
    const progress = showProgress(`pictures ${images.length + 1} to ${images.length + batchSize}, step`);
    const onStep = ({ step, total }: StepProgress): void => progress.update(step, total);
    const output = await pipeline.generate({
      batchSize,
      classLabels: classLabels.slice(images.length, images.length + batchSize),
      generator,
      onStep,
      ...(numInferenceSteps && { numInferenceSteps }),
    });
    progress.stop();
    images.push(...output.images);
  }
  return images;
}

/** The class of each picture; none for a model without classes. */
function classesOf({ unet }: UnconditionalPipeline, { classLabels, numImages }: SampleFlags): number[] {
  if (classLabels === undefined) return classesInTurn(unet, numImages);
  if (unet.config.numClassEmbeds === null) throw usageError("--class-labels: the pipeline's model has no classes");
  return Array.from({ length: numImages }, (_, index) => classLabels[index % classLabels.length] ?? 0);
}
