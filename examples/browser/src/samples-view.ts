/** The samples of a run on a slider of time, which follows the newest ones as long as it stands at its end. */
import type { Image } from "emberwing";
import { byId, setText } from "./dom.js";
import { Gallery } from "./gallery.js";

export class SamplesView {
  readonly #host = byId("samples", HTMLDivElement);
  readonly #gallery = new Gallery(this.#host);
  readonly #slider = byId("sample-time", HTMLInputElement);
  readonly #value = byId("sample-step", HTMLOutputElement);
  #samples: { step: number; images: readonly Image[] }[] = [];

  constructor() {
    this.#slider.addEventListener("input", () => this.#draw());
  }

  clear(): void {
    this.#samples = [];
    this.#slider.max = "0";
    setText(this.#value, "–");
    this.#gallery.show([], "No samples yet");
  }

  add(step: number, images: readonly Image[]): void {
    const wasAtEnd = this.#slider.value === this.#slider.max;
    this.#samples.push({ step, images });
    this.#slider.max = String(this.#samples.length - 1);
    if (wasAtEnd) this.#slider.value = this.#slider.max;
    this.#draw();
  }

  #draw(): void {
    const shown = this.#samples[Number(this.#slider.value)];
    if (!shown) return;
    setText(this.#value, String(shown.step));
    this.#slider.setAttribute("aria-valuetext", `step ${shown.step}`);
    this.#gallery.show(shown.images, `${shown.images.length} samples after step ${shown.step}`);
  }
}
