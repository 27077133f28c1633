/**
 * A small HTTP service that draws with a saved pipeline: one request at a time, the others wait their turn, and a client
 * that goes away is not drawn for.
 *
 *   node examples/express-server.ts my_pipeline     then open http://127.0.0.1:3000/image?seed=7
 *
 * `GET /image?seed=7&steps=50&class=0` answers with a PNG, `GET /queue` with how many are waiting. Needs express.
 *
 * Node 22.18 and newer run TypeScript as it is; before that, put `npx tsx` in place of `node`.
 */

import { DDIMPipeline, EmberwingError } from "emberwing";
import express, { type Request, type Response } from "express";

const { PIPELINE = process.argv[2] ?? "my_pipeline", PORT = "3000" } = process.env;
const MAX_WAITING = 16;

// DDIM draws in few steps, whatever the pipeline was trained with.
const pipeline = await DDIMPipeline.fromPretrained(PIPELINE);

let waiting = 0;
let lastJob: Promise<unknown> = Promise.resolve();

/** Runs jobs one after the other; a job whose signal was aborted while it waited is not begun. */
async function inTurn<T>(job: () => Promise<T>, signal: AbortSignal): Promise<T> {
  waiting++;
  const result = lastJob.then(() => {
    signal.throwIfAborted();
    return job();
  });
  lastJob = result.catch(() => undefined);
  try {
    return await result;
  } finally {
    waiting--;
  }
}

/** A whole number of the query, or the default where it is absent; NaN for anything else. */
function numberOf(request: Request, name: string, standard: number): number {
  const text = request.query[name];
  if (text === undefined) return standard;
  return typeof text === "string" && /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

async function sendImage(request: Request, response: Response): Promise<void> {
  const seed = numberOf(request, "seed", Math.floor(Math.random() * 2 ** 31));
  const numInferenceSteps = numberOf(request, "steps", 50);
  const label = numberOf(request, "class", 0);
  if ([seed, numInferenceSteps, label].some(Number.isNaN)) {
    response.status(400).json({ error: "seed, steps and class: expected whole numbers" });
    return;
  }
  if (waiting >= MAX_WAITING) {
    response
      .status(503)
      .set("retry-after", "10")
      .json({ error: `${waiting} requests are waiting already` });
    return;
  }
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    const classLabels = pipeline.unet.config.numClassEmbeds === null ? [] : [label];
    const options = { seed, numInferenceSteps, classLabels, signal: gone.signal };
    const { images } = await inTurn(() => pipeline.generate(options), gone.signal);
    response.type("png").send(Buffer.from(images[0]?.toPNG() ?? []));
  } catch (error) {
    if (gone.signal.aborted) return;
    const wrongRequest = error instanceof EmberwingError && error.code === "InvalidArgument";
    response.status(wrongRequest ? 400 : 500).json({ error: (error as Error).message });
  }
}

const app = express();
app.get("/image", sendImage);
app.get("/queue", (_, response) => {
  response.json({ waiting });
});

/** Reachable from this machine alone: put a server that checks who asks in front of it to change that. */
export const server = app.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`drawing with ${PIPELINE} on http://127.0.0.1:${PORT}`);
});
