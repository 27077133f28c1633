/** What an earlier visit, or the run that was just stopped, left to go on with. */
import { setActivity, usableDuring } from "./activity.js";
import { showAlert } from "./alert.js";
import { byId, h } from "./dom.js";
import { loadModel } from "./model.js";
import { RUN_FOLDER, type RunRecord, type RunStore } from "./run-store.js";
import type { Session } from "./session.js";
import type { TrainView } from "./train-view.js";

export class ResumeOffer {
  readonly #host = byId("offer", HTMLElement);
  readonly #session: Session;
  readonly #text = h("p");
  readonly #goOn = h("button", { type: "button", class: "primary" });
  readonly #discard = h("button", { type: "button" }, "Discard");
  #record: RunRecord | undefined;

  constructor(session: Session, trainView: () => TrainView) {
    this.#session = session;
    this.#host.append(this.#text, this.#goOn, this.#discard);
    this.#goOn.addEventListener("click", () => void this.#accept(trainView()));
    this.#discard.addEventListener("click", () => void this.#clear());
    usableDuring(["idle"], this.#goOn, this.#discard);
  }

  /** Looks what there is when the page is opened. */
  async begin(): Promise<void> {
    const { store } = this.#session;
    // Another tab may be at it.
    this.#show((await store?.isHeld()) ? undefined : await store?.read());
  }

  /** While a run goes on there is nothing to go on with, and after its end the page has its model. */
  async follow(isRunning: boolean): Promise<void> {
    const record = isRunning ? undefined : await this.#session.store?.read();
    this.#show(record?.finished ? undefined : record);
  }

  #show(record: RunRecord | undefined): void {
    this.#record = record;
    this.#host.hidden = !record || record.step === 0;
    if (!record) return;
    const { finished, step, plan } = record;
    const text = finished
      ? `A model that was trained here, ${step} steps, is still there.`
      : `A training was left at step ${step} of ${plan.steps}.`;
    this.#text.replaceChildren(text);
    this.#goOn.replaceChildren(finished ? "Open it" : "Go on");
  }

  async #accept(trainView: TrainView): Promise<void> {
    const { store } = this.#session;
    const record = this.#record;
    if (!store || !record) return;
    const { pictures } = record.plan;
    this.#host.hidden = true;
    try {
      if (record.finished) await this.#open(store);
      else await trainView.resume(record, pictures ? await store.pictures(pictures) : "butterflies");
    } catch (error) {
      this.#host.hidden = false;
      showAlert(error, "Going on");
    }
  }

  async #open(store: RunStore): Promise<void> {
    setActivity("loading");
    try {
      const { api, device } = this.#session;
      const folder = await store.directory.getDirectoryHandle(RUN_FOLDER);
      this.#session.model = await loadModel(api, folder, { name: "Your model", device });
    } finally {
      setActivity("idle");
    }
  }

  async #clear(): Promise<void> {
    const { store } = this.#session;
    try {
      const letGo = await store?.hold();
      await store?.clear().finally(letGo);
      this.#show(undefined);
    } catch (error) {
      showAlert(error, "Discarding");
    }
  }
}
