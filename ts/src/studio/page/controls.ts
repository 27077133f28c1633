/** How the curves are drawn: scale, smoothing, and which steps. */
import { byId, setText } from "./dom.js";
import type { StepRange } from "./steps.js";

export class Controls {
  readonly #form = byId("controls", HTMLFormElement);
  readonly #smoothing = byId("smoothing", HTMLInputElement);
  readonly #from = byId("from", HTMLInputElement);
  readonly #to = byId("to", HTMLInputElement);
  readonly #allSteps = byId("all-steps", HTMLButtonElement);
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
    this.#form.addEventListener("input", () => this.#changed());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#allSteps.addEventListener("click", () => this.show());
  }

  get log(): boolean {
    return new FormData(this.#form).get("scale") === "log";
  }

  /** 0 to 0.99. */
  get weight(): number {
    return this.#smoothing.valueAsNumber;
  }

  /** The steps to show of those that there are; a field that is empty or cannot be leaves its end open. */
  range(lastStep: number): StepRange {
    const first = this.#from.value === "" ? 0 : this.#from.valueAsNumber;
    const last = this.#to.value === "" ? lastStep : this.#to.valueAsNumber;
    return first < last ? [first, last] : [0, Math.max(1, lastStep)];
  }

  /** Shows some steps, or all. */
  show(range?: StepRange): void {
    this.#from.value = range ? String(range[0]) : "";
    this.#to.value = range ? String(range[1]) : "";
    this.#changed();
  }

  #changed(): void {
    setText(byId("smoothing-value", HTMLOutputElement), this.weight.toFixed(2));
    this.#allSteps.disabled = this.#from.value === "" && this.#to.value === "";
    this.#onChange();
  }
}
