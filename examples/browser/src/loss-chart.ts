/** The loss while it comes in: each step, and a smoothed line over them. */
import uPlot from "uplot";
import { byId } from "./dom.js";
import type { LossPoint } from "./training-plan.js";

/** Of TensorBoard's smoothing. */
const WEIGHT = 0.8;
const FAINT = "60";

export class LossChart {
  readonly #host = byId("loss", HTMLDivElement);
  readonly #scale = byId("scale", HTMLFormElement);
  #losses: LossPoint[] = [];
  #lastStep = 1;
  #plot: uPlot | undefined;
  #isDue = false;

  constructor() {
    this.#scale.addEventListener("change", () => this.#build());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#host);
  }

  /** @param lastStep Where the axis ends. */
  begin(losses: readonly LossPoint[], lastStep: number): void {
    this.#losses = [...losses];
    this.#lastStep = lastStep;
    this.#build();
  }

  add(point: LossPoint): void {
    this.#losses.push(point);
    if (this.#isDue) return;
    // Small models make more steps than the screen has frames.
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#plot?.setData(this.#data());
      this.#describe();
    });
  }

  get #isLog(): boolean {
    return new FormData(this.#scale).get("scale") === "log";
  }

  #build(): void {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), this.#host);
    this.#describe();
  }

  #data(): uPlot.AlignedData {
    const losses = this.#losses.map(({ loss }) => loss);
    return [this.#losses.map(({ step }) => step), losses, smoothed(losses)];
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(120, this.#host.clientWidth), height: this.#host.clientHeight };
  }

  #options(): uPlot.Options {
    const colour = (variable: string): string => getComputedStyle(this.#host).getPropertyValue(variable).trim();
    const line = { show: true, points: { show: false } };
    const axis: uPlot.Axis = {
      ...{ stroke: colour("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false } },
      grid: { stroke: colour("--line"), width: 1 },
    };
    return {
      ...{ ...this.#size(), legend: { show: false }, cursor: { show: false }, padding: [8, 18, 0, 0] },
      scales: {
        x: { time: false, range: [0, this.#lastStep] },
        y: this.#isLog ? { distr: 3 } : { range: (_, __, highest) => [0, highest * 1.05 || 1] },
      },
      axes: [
        { ...axis, size: 28, values: (_, steps) => steps.map((step) => (Number.isInteger(step) ? String(step) : "")) },
        {
          ...axis,
          size: 46,
          values: (_, values) => values.map((value) => (value === null ? "" : String(Number(value.toPrecision(2))))),
        },
      ],
      series: [
        {},
        { ...line, stroke: `${colour("--curve")}${FAINT}`, width: 1 },
        { ...line, stroke: colour("--curve"), width: 2 },
      ],
    };
  }

  /** Read when it is come to; not a live region, which would speak without end. */
  #describe(): void {
    const last = this.#losses.at(-1);
    const scale = this.#isLog ? "Loss, logarithmic" : "Loss";
    const text = last ? `${last.loss.toPrecision(3)} at step ${last.step} of ${this.#lastStep}` : "no steps yet";
    this.#host.setAttribute("aria-label", `${scale}: ${text}`);
  }
}

/** m ← weight · m + (1 − weight) · y, divided by 1 − weightⁿ (Kingma and Ba 2015, algorithm 1, as for Adam's moments). */
function smoothed(values: readonly number[]): number[] {
  let [mean, remaining] = [0, 1];
  return values.map((value) => {
    mean = WEIGHT * mean + (1 - WEIGHT) * value;
    remaining *= WEIGHT;
    return mean / (1 - remaining);
  });
}
