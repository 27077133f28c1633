/**
 * What a user's page does: trains, draws, saves to a zip file and to the browser's own file system, does the same in a
 * worker, stops that, and asks a hub. The test reads `globalThis.result`.
 */

import {
  DDPMPipeline,
  DDPMScheduler,
  devices,
  Generator,
  init,
  loadDataset,
  Trainer,
  UNet2DModel,
  zip,
} from "emberwing";
import { createWorker } from "emberwing/worker";
import { train } from "./training.js";

/** The page's own server, which has no repositories. */
const hubEndpoint = new URL("hub", location.href);

const DRAWING = { numInferenceSteps: 2, seed: 0 };

/** @param {{ images: readonly import("emberwing").Image[] }} output */
const bytesOf = ({ images }) => images.flatMap(({ data }) => [...data]);

/** The browser's own file system; undefined where it has none. */
const ownFiles = async () => navigator.storage?.getDirectory?.();

/**
 * What is drawn by the model that the browser kept.
 * @param {DDPMPipeline} pipeline
 * @param {FileSystemDirectoryHandle | undefined} own
 */
async function drawnFromDisk(pipeline, own) {
  if (!own || !("createWritable" in FileSystemFileHandle.prototype)) return undefined;
  await pipeline.savePretrained(await own.getDirectoryHandle("saved", { create: true }));
  // Asked for again, as a page does that is opened another time.
  const kept = await DDPMPipeline.fromPretrained(await own.getDirectoryHandle("saved"));
  return bytesOf(await kept.generate(DRAWING));
}

/** What a training rejects with that is stopped at its second step. @param {import("emberwing/worker").WorkerApi} worker */
async function stopTraining(worker) {
  const controller = new AbortController();
  let steps = 0;
  const onStep = () => ++steps === 2 && controller.abort(new Error("enough"));
  const stopped = await train(worker, { steps: 1000, signal: controller.signal, onStep }).catch(
    ({ message }) => message,
  );
  return { stopped, steps };
}

async function main() {
  /** The entry for pages, which takes more than Node's, whose types are checked here. @type {(options: object) => Promise<void>} */
  const initPage = init;
  await initPage({ hubEndpoint });
  /** @type {unknown} */
  const api = { DDPMPipeline, DDPMScheduler, Generator, loadDataset, Trainer, UNet2DModel };
  const here = await train(/** @type {import("./training.js").Api} */ (api), { steps: 3 });
  const pipeline = /** @type {DDPMPipeline} */ (/** @type {unknown} */ (here.pipeline));
  const picture = bytesOf(await pipeline.generate(DRAWING));
  const files = new Map();
  await pipeline.savePretrained(files);
  const saved = [...new Uint8Array(await (await zip(files)).arrayBuffer())];
  const weights = Object.values(await pipeline.unet.parameters()).flatMap(({ data }) => [...data]);
  const own = await ownFiles();
  const fromDisk = await drawnFromDisk(pipeline, own);

  const worker = await createWorker({ hubEndpoint, ...(own && { directory: own }) });
  const there = await train(worker, { steps: 3 });
  if (own) await there.pipeline.savePretrained("saved-in-worker");
  const kept = own && (await worker.DDPMPipeline.fromPretrained("saved-in-worker"));
  const again = await worker.DDPMPipeline.fromPretrained(files);
  const asked = await Promise.allSettled([
    DDPMPipeline.fromPretrained("hub:owner/name"),
    worker.DDPMPipeline.fromPretrained("hub:owner/name"),
  ]);
  return {
    hub: asked.map((answer) => answer.status === "rejected" && answer.reason.code),
    devices: devices(),
    losses: here.losses,
    ...{ picture, fromDisk, saved, weights },
    worker: {
      losses: there.losses,
      picture: bytesOf(await there.pipeline.generate(DRAWING)),
      fromDisk: kept && bytesOf(await kept.generate(DRAWING)),
      fromSaved: bytesOf(await again.generate(DRAWING)),
      ...(await stopTraining(worker)),
    },
  };
}

globalThis.result = main().catch((error) => ({ error: String(error) }));
