/** The page: starts the worker, loads the model that it opens with, and puts the parts together. */
import { createWorker } from "emberwing/worker";
import { activity, setActivity } from "./activity.js";
import { showAlert } from "./alert.js";
import { showDevices } from "./device-picker.js";
import { FilesView } from "./files-view.js";
import { PaintView } from "./paint-view.js";
import { PicturesView } from "./pictures-view.js";
import { pretrainedModel } from "./pretrained.js";
import { ResumeOffer } from "./resume-offer.js";
import { RunStore } from "./run-store.js";
import { Session } from "./session.js";
import { TrainView } from "./train-view.js";

async function start(): Promise<void> {
  const store = await RunStore.open();
  const api = await createWorker(store && { directory: store.directory });
  // A graphics card where there is one of hardware, otherwise the processor.
  const model = await pretrainedModel(api, "auto");
  const session = new Session({ api, store, device: await model.unet.device, model });
  showDevices(session, await api.devices());
  new PaintView(session);
  new FilesView(session);
  const pictures = new PicturesView(session);
  const offer = new ResumeOffer(session, () => trainView);
  const trainView = new TrainView(session, pictures, () => void offer.follow(activity() !== "idle"));
  setActivity("idle");
  await offer.begin();
}

start().catch((error: unknown) => showAlert(error, "The page could not start"));
