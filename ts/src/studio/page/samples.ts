/** Grids of samples on a time slider. */
import type { SampleGridEntry } from "../protocol.js";
import { swatch } from "./colours.js";
import { byId, h, setText } from "./dom.js";
import { wholeNumber } from "./numbers.js";
import type { WatchedRun } from "./watched-run.js";

export class SamplesView {
  readonly #host = byId("samples", HTMLDivElement);
  readonly #bar = byId("samples-time", HTMLDivElement);
  readonly #slider = byId("time", HTMLInputElement);
  readonly #value = byId("time-value", HTMLOutputElement);
  #runs: readonly WatchedRun[] = [];
  /** The steps at which one of the runs has a grid. */
  #steps: readonly number[] = [];
  #shown = "";

  constructor() {
    this.#slider.addEventListener("input", () => this.#draw());
  }

  update(runs: readonly WatchedRun[]): void {
    const wasAtEnd = this.#step === this.#steps.at(-1);
    const step = this.#step;
    this.#runs = runs;
    const all = new Set(runs.flatMap(({ summary }) => summary.grids.map((grid) => grid.step)));
    this.#steps = [...all].sort((a, b) => a - b);
    this.#slider.max = String(Math.max(0, this.#steps.length - 1));
    const after = this.#steps.findLastIndex((known) => step !== undefined && known <= step);
    // At its end the slider follows the newest pictures; elsewhere it stays at its step.
    this.#slider.value = String(wasAtEnd ? this.#steps.length - 1 : Math.max(0, after));
    this.#bar.hidden = this.#steps.length === 0;
    this.#draw();
  }

  get #step(): number | undefined {
    return this.#steps[Number(this.#slider.value)];
  }

  #draw(): void {
    const step = this.#step ?? 0;
    setText(this.#value, wholeNumber(step));
    this.#slider.setAttribute("aria-valuetext", `step ${wholeNumber(step)}`);
    const grids = this.#runs.map((run) => ({ run, grid: run.summary.grids.findLast((grid) => grid.step <= step) }));
    const shown = grids.map(({ run, grid }) => `${run.summary.id} ${run.summary.name} ${grid?.step} ${grid?.version}`);
    if (shown.join("\n") === this.#shown) return;
    this.#shown = shown.join("\n");
    this.#host.replaceChildren(...grids.map(({ run, grid }) => figure(run, grid)));
  }
}

function figure(run: WatchedRun, grid: SampleGridEntry | undefined): HTMLElement {
  const { id, name, grids } = run.summary;
  const title = h("span", { class: "name" }, name);
  const text = grid ? `step ${wholeNumber(grid.step)}` : "";
  const caption = h("figcaption", {}, swatch(run.look), title, h("span", { class: "soft" }, text));
  if (grid) {
    const src = `api/runs/${id}/samples/${grid.step}?${grid.version}`;
    return h("figure", {}, caption, h("img", { src, alt: `Samples of ${name} after step ${grid.step}` }));
  }
  const reason = grids.length === 0 ? "No samples yet: see --save-images-epochs" : "No samples at this step yet";
  return h("figure", {}, caption, h("div", { class: "none" }, reason));
}
