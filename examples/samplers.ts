/**
 * One seed painted with every scheduler at 5, 10, 20 and 50 steps, on one labelled sheet: samplers.svg.
 *
 *   node examples/samplers.ts my_pipeline
 *   STEPS=4,8 node examples/samplers.ts my_pipeline   other numbers of steps
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  DDIMScheduler,
  DDPMPipeline,
  DDPMScheduler,
  DEISMultistepScheduler,
  DPMSolverMultistepScheduler,
  DPMSolverSDEScheduler,
  DPMSolverSinglestepScheduler,
  EmberwingError,
  EulerAncestralDiscreteScheduler,
  EulerDiscreteScheduler,
  HeunDiscreteScheduler,
  imageGrid,
  KDPM2AncestralDiscreteScheduler,
  KDPM2DiscreteScheduler,
  LCMScheduler,
  LMSDiscreteScheduler,
  type LoadableScheduler,
  PNDMScheduler,
  SASolverScheduler,
  TCDScheduler,
  UnCLIPScheduler,
  UniPCMultistepScheduler,
} from "emberwing";

const { STEPS = "5,10,20,50", OUTPUT = ".", PIPELINE = process.argv[2] ?? "my_pipeline" } = process.env;
const stepCounts = STEPS.split(",").map(Number);

const samplers: LoadableScheduler[] = [
  DDPMScheduler,
  DDIMScheduler,
  PNDMScheduler,
  LMSDiscreteScheduler,
  EulerDiscreteScheduler,
  EulerAncestralDiscreteScheduler,
  HeunDiscreteScheduler,
  KDPM2DiscreteScheduler,
  KDPM2AncestralDiscreteScheduler,
  DPMSolverMultistepScheduler,
  DPMSolverSinglestepScheduler,
  DPMSolverSDEScheduler,
  UniPCMultistepScheduler,
  DEISMultistepScheduler,
  SASolverScheduler,
  LCMScheduler,
  TCDScheduler,
  UnCLIPScheduler,
];

const leftOut = [
  "DDIMInverseScheduler, DPMSolverMultistepInverseScheduler: run from a picture to noise",
  "RePaintScheduler: paints the rest of a picture, see RePaintPipeline",
  "EDMEulerScheduler, EDMDPMSolverMultistepScheduler: for models in the wrapping of Karras et al. 2022",
  "FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler: for flows",
  "IPNDMScheduler: for models of an angle schedule",
  "ScoreSdeVeScheduler: for models of the score of a variance-exploding process",
  "CMStochasticIterativeScheduler: for consistency models",
];

const pipeline = await DDPMPipeline.fromPretrained(PIPELINE);
const trained = pipeline.scheduler;

/** Two pictures of seed 0 as a PNG that stands in the sheet itself. */
async function paint(numInferenceSteps: number): Promise<string> {
  const { images } = await pipeline.generate({ batchSize: 2, numInferenceSteps, seed: 0 });
  const png = imageGrid(images, { padding: 1 }).toPNG();
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

const rows: { label: string; cells: string[] }[] = [];
for (const Class of samplers) {
  try {
    pipeline.scheduler = Class.fromConfig(trained.config);
  } catch (error) {
    // Some classes have no formula for what this model predicts.
    if (!(error instanceof EmberwingError && error.code === "InvalidConfig")) throw error;
    leftOut.push(`${Class.className}: ${error.message}`);
    continue;
  }
  const cells: string[] = [];
  for (const steps of stepCounts) cells.push(await paint(steps));
  rows.push({ label: Class.className, cells });
  console.log(Class.className);
}

const [labelWidth, cellWidth, cellHeight] = [280, 144, 76];
const width = Math.max(labelWidth + cellWidth * stepCounts.length, 760);
const height = 30 + rows.length * cellHeight + 24 + leftOut.length * 18 + 10;
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const text = (x: number, y: number, content: string) => `<text x="${x}" y="${y}">${escaped(content)}</text>`;
const below = 30 + rows.length * cellHeight + 24;
const sheet = [
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">`,
  `<rect width="100%" height="100%" fill="white"/>`,
  ...stepCounts.map((steps, column) => text(labelWidth + column * cellWidth, 20, `${steps} steps`)),
  ...rows.flatMap(({ label, cells }, row) => [
    text(10, 30 + row * cellHeight + 40, label),
    ...cells.map(
      (png, column) =>
        `<image x="${labelWidth + column * cellWidth}" y="${30 + row * cellHeight}" width="134" height="68" href="${png}" style="image-rendering:pixelated"/>`,
    ),
  ]),
  text(10, below, "Left out:"),
  ...leftOut.map((reason, line) => text(20, below + 18 * (line + 1), reason)),
  "</svg>",
];
await writeFile(join(OUTPUT, "samplers.svg"), sheet.join("\n"));
