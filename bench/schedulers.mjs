/**
 * What a step of every scheduler costs beside a forward pass of the course's model at batch 16.
 *
 *     node bench/schedulers.mjs [--rounds 9]
 *
 * The step is the one by hand, `scaleModelInput` and `step` with the noise that it draws: both cross into the core and
 * back, which the loop of a pipeline does not. Forward passes are timed before and after.
 */

import { parseArgs } from "node:util";
import * as emberwing from "emberwing";
import { COURSE } from "./cases.mjs";
import { describeMachine, digits, markdown, median } from "./report.mjs";

const BATCH = 16;
const STEPS = 50;
/** A step may cost this share of a forward pass. */
const LIMIT = 0.02;

const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } });
const rounds = Number(values.rounds);
const shape = [BATCH, 3, COURSE.sampleSize, COURSE.sampleSize];
const generator = new emberwing.Generator(0);
const unet = await emberwing.UNet2DModel.create(COURSE, { generator });
const sample = generator.randn(shape);
const modelOutput = generator.randn(shape);

async function forwards() {
  const seconds = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await unet.forward(sample, 500);
    seconds.push(performance.now() - start);
  }
  return seconds;
}

/** Milliseconds of each step of a run. */
function stepTimes(Class) {
  const scheduler = new Class();
  scheduler.setTimesteps(Math.min(STEPS, scheduler.config.numTrainTimesteps));
  if (scheduler instanceof emberwing.RePaintScheduler) scheduler.setKnownPart(sample, sample);
  return scheduler.timesteps.slice(0, STEPS).map((t) => {
    const start = performance.now();
    scheduler.scaleModelInput(sample, t);
    scheduler.step(modelOutput, t, sample, { generator });
    return performance.now() - start;
  });
}

function spread(times) {
  const [middle, least, most] = [median(times), Math.min(...times), Math.max(...times)];
  return { middle, text: `${digits(middle)} ms (${digits(least)} – ${digits(most)})` };
}

const classes = Object.values(emberwing).filter((value) => value?.prototype instanceof emberwing.Scheduler);
console.log(describeMachine());
await forwards();
const before = await forwards();
const times = classes.map((Class) => ({ name: Class.className, ...spread(stepTimes(Class)) }));
const forward = spread([...before, ...(await forwards())]);
const rows = times
  .sort((a, b) => b.middle - a.middle)
  .map(({ name, middle, text }) => {
    const share = middle / forward.middle;
    return [name, text, `${(100 * share).toFixed(2)} %`, share <= LIMIT ? "reached" : "missed"];
  });
console.log(`\nForward pass: ${forward.text}, median (least – most). A step may cost ${100 * LIMIT} % of it.\n`);
console.log(markdown([["", "step", "share", ""], ...rows]));
