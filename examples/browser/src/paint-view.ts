/** The part of the page that paints. */
import { activity, setActivity, usableDuring } from "./activity.js";
import { hideAlert, showAlert } from "./alert.js";
import { byId, setText } from "./dom.js";
import { Gallery } from "./gallery.js";
import { type Model, titleOf } from "./model.js";
import { paint } from "./painting.js";
import type { Session } from "./session.js";

const COUNT = 8;

export class PaintView {
  readonly #session: Session;
  readonly #host = byId("gallery", HTMLDivElement);
  readonly #gallery = new Gallery(this.#host);
  readonly #form = byId("paint-form", HTMLFormElement);
  readonly #button = byId("paint", HTMLButtonElement);
  readonly #steps = byId("paint-steps", HTMLInputElement);
  readonly #seed = byId("seed", HTMLInputElement);
  readonly #progress = byId("paint-progress", HTMLProgressElement);
  readonly #status = byId("paint-status", HTMLParagraphElement);
  #stop: AbortController | undefined;
  /** Ends the noise that is on its way, when something else is to be seen. */
  #noise = new AbortController();

  constructor(session: Session) {
    this.#session = session;
    this.#steps.addEventListener("input", () =>
      setText(byId("paint-steps-value", HTMLOutputElement), this.#steps.value),
    );
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#stop) this.#stop.abort();
      else void this.#paint();
    });
    usableDuring(["idle", "paused", "painting"], this.#button);
    session.onModel((model) => void this.#showModel(model));
  }

  /** It has painted nothing yet. */
  async #showModel(model: Model): Promise<void> {
    setText(byId("model-name", HTMLParagraphElement), titleOf(model));
    setText(this.#status, "");
    this.#progress.value = 0;
    this.#noise.abort();
    this.#noise = new AbortController();
    const { signal } = this.#noise;
    try {
      for await (const { images } of paint(this.#session.api, model, { seed: 0, steps: 1, count: COUNT, signal })) {
        if (signal.aborted) return;
        this.#gallery.show(images, "Noise, which pictures are painted from");
        this.#host.classList.add("waiting");
        return;
      }
    } catch (error) {
      if (!signal.aborted) showAlert(error, "Painting");
    }
  }

  async #paint(): Promise<void> {
    const { api, model } = this.#session;
    const before = activity();
    const seed = this.#seed.value === "" ? Math.floor(Math.random() * 1e6) : this.#seed.valueAsNumber;
    const steps = this.#steps.valueAsNumber;
    const stop = new AbortController();
    this.#begin(stop, steps);
    const began = performance.now();
    try {
      for await (const { step, images } of paint(api, model, { seed, steps, count: COUNT, signal: stop.signal })) {
        this.#gallery.show(images, `${COUNT} pictures, step ${step} of ${steps} from noise`);
        this.#progress.value = step;
      }
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      setText(this.#status, `Painted ${COUNT} pictures in ${seconds} s from seed ${seed}.`);
    } catch (error) {
      setText(this.#status, "Stopped.");
      if (error !== stop.signal.reason) showAlert(error, "Painting");
    } finally {
      this.#stop = undefined;
      setText(this.#button, "Paint");
      setActivity(before);
    }
  }

  #begin(stop: AbortController, steps: number): void {
    hideAlert();
    this.#stop = stop;
    this.#noise.abort();
    this.#host.classList.remove("waiting");
    this.#progress.max = steps;
    this.#progress.value = 0;
    setText(this.#button, "Stop painting");
    setText(this.#status, "Painting …");
    setActivity("painting");
  }
}
