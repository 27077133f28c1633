/** One run of the trainer in the worker, told event by event; whoever reads them holds it by not asking for the next. */
import type { Image, Trainer } from "emberwing";
import type { Remote } from "emberwing/worker";
import { describeModel, type Model } from "./model.js";
import { paint } from "./painting.js";
import { formatOf, loadPictures, type PictureChoice } from "./picture-choice.js";
import { RUN_FOLDER } from "./run-store.js";
import type { Session } from "./session.js";
import type { LossPoint, TrainingPlan } from "./training-plan.js";

/** Steps between checkpoints: so much is lost where the page is closed in between. */
const CHECKPOINT_STEPS = 10;
const BUTTERFLIES = 1000;
/** The same noise each time, so that the pictures show what the steps in between have changed. */
export const SAMPLES = { count: 6, steps: 15, seed: 0 } as const;
const SEED = 0;

export type TrainingNews =
  | { readonly type: "begun"; readonly step: number; readonly steps: number; readonly images: number }
  | {
      readonly type: "step";
      readonly step: number;
      readonly loss: number;
      readonly images: number;
      readonly seconds: number;
    }
  | { readonly type: "samples"; readonly step: number; readonly images: Image[]; readonly seconds: number }
  | { readonly type: "warning"; readonly message: string };

export interface TrainingRun {
  readonly plan: TrainingPlan;
  readonly pictures: PictureChoice;
  /** Goes on from the newest checkpoint in place of a new beginning. */
  readonly losses?: readonly LossPoint[];
  /** The model to go on with; absent: a new one. */
  readonly model?: Model;
  readonly signal: AbortSignal;
}

/**
 * Trains, and keeps what is needed to go on: a run that was stopped ends like one that was finished.
 *
 * @throws What the worker throws; the model is then as good as it got.
 */
export async function* train(session: Session, run: TrainingRun): AsyncGenerator<TrainingNews, void, void> {
  const letGo = await session.store?.hold();
  try {
    yield* trainHeld(session, run);
  } finally {
    letGo?.();
  }
}

async function* trainHeld(session: Session, run: TrainingRun): AsyncGenerator<TrainingNews, void, void> {
  const { api, store } = session;
  const { plan, pictures, signal } = run;
  const losses = [...(run.losses ?? [])];
  const { dataset, problems } = await loadPictures(api, pictures, formatOf(plan.unet), BUTTERFLIES);
  for (const problem of problems) yield { type: "warning", message: `Left out: ${problem}` };
  if (!run.losses) await store?.begin(pictures === "butterflies" ? [] : pictures);
  const model = await modelOf(session, run);
  session.model = model;
  const trainer = await new api.Trainer({
    ...{ model: model.unet, scheduler: model.scheduler, dataset, seed: SEED },
    ...{ steps: plan.steps, batchSize: plan.batchSize, learningRate: plan.learningRate, maxGradNorm: 1 },
    // Rises at the start and falls to nothing at the end, where the last steps smooth out what noise the ones before left.
    ...{ lrScheduler: "cosine", lrWarmupSteps: Math.min(20, Math.floor(plan.steps / 10)) },
    ...(store && { outputDir: RUN_FOLDER, checkpointingSteps: CHECKPOINT_STEPS, checkpointsTotalLimit: 1 }),
    ...(run.losses && { resumeFromCheckpoint: "latest" }),
  });
  let step = losses.at(-1)?.step ?? 0;
  const keep = (finished: boolean): Promise<void> | undefined => store?.write({ plan, step, finished, losses });
  try {
    for await (const news of eventsOf(trainer, signal)) {
      if (news.type === "checkpoint") {
        await keep(false);
        continue;
      }
      if (news.type === "begun") losses.splice(losses.findLastIndex((point) => point.step <= news.step) + 1);
      if (news.type === "step") losses.push({ step: news.step, loss: news.loss });
      if (news.type !== "warning") step = news.step;
      yield news;
      const isDue = news.type === "step" && (step % plan.sampleEvery === 0 || step === plan.steps);
      if (isDue || news.type === "begun") yield await samplesOf(session, model, step, signal);
    }
    await keep(true);
  } catch (error) {
    if (!signal.aborted) throw error;
    // The trainer has left a checkpoint of this step.
    await keep(false);
  } finally {
    // Of a worker that has ended there is nothing to give back, and the reason has been told.
    await Promise.allSettled([trainer.dispose(), dataset.dispose()]);
  }
}

/** The one to go on with, with the scheduler of the plan, or a new one. */
async function modelOf({ api, device }: Session, { plan, model }: TrainingRun): Promise<Model> {
  const scheduler = await new api.DDPMScheduler(plan.scheduler);
  const generator = await new api.Generator(SEED);
  const unet = model?.unet ?? (await api.UNet2DModel.create(plan.unet, { device, generator }));
  const pipeline = await new api.DDPMPipeline({ unet, scheduler });
  return describeModel(plan.name, { pipeline, unet, scheduler });
}

/** What the model paints now. */
async function samplesOf({ api }: Session, model: Model, step: number, signal: AbortSignal): Promise<TrainingNews> {
  const began = performance.now();
  let images: Image[] = [];
  for await (const painted of paint(api, model, { ...SAMPLES, signal })) images = painted.images;
  return { type: "samples", step, images, seconds: (performance.now() - began) / 1000 };
}

type TrainerNews = TrainingNews | { readonly type: "checkpoint" };

/** The trainer's events, those that matter here, with the time that each step took. */
async function* eventsOf(trainer: Remote<Trainer>, signal: AbortSignal): AsyncGenerator<TrainerNews, void, void> {
  let asked = performance.now();
  for await (const event of trainer.run({ signal })) {
    const seconds = (performance.now() - asked) / 1000;
    if (event.type === "start") yield { type: "begun", step: event.step, steps: event.steps, images: event.images };
    if (event.type === "step")
      yield { type: "step", step: event.step, loss: event.loss, images: event.images, seconds };
    if (event.type === "checkpoint") yield { type: "checkpoint" };
    if (event.type === "warning") yield { type: "warning", message: event.message };
    asked = performance.now();
  }
}
