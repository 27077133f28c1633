/** One chart: uPlot, a legend of buttons, and the keyboard. */
import uPlot from "uplot";
import type { Point } from "../../figures/series.js";
import { colourOf, swatch } from "./colours.js";
import type { Curve } from "./curves.js";
import { byId, h, setText } from "./dom.js";
import { shortNumber, wholeNumber } from "./numbers.js";
import type { StepRange } from "./steps.js";

export interface ChartOptions {
  readonly title: string;
  /** Takes the whole width. */
  readonly large: boolean;
  /** Called with the steps that were dragged over; without, all are wanted. */
  readonly onRange: (range?: StepRange) => void;
}

export interface ChartContent {
  readonly curves: readonly Curve[];
  readonly range: StepRange;
  readonly log: boolean;
}

/** Charts with the same key move their cursors together. */
const SYNC_KEY = "studio";
const FAINT = "55";
const NARROWEST_DRAG = 6;

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #plotHost = h("div", { class: "plot", role: "img", tabindex: 0 });
  readonly #legend = h("div", { class: "legend" });
  /** Ids of the curves that the legend switched off here. */
  readonly #off = new Set<string>();
  #content: ChartContent = { curves: [], range: [0, 1], log: false };
  #plot: uPlot | undefined;
  #built = "";
  #values: HTMLElement[] = [];

  constructor(options: ChartOptions) {
    this.#options = options;
    const caption = h("figcaption", {}, h("h3", {}, options.title), this.#legend);
    this.element = h("figure", { class: options.large ? "chart large" : "chart" }, caption, this.#plotHost);
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#plotHost);
    this.#plotHost.addEventListener("keydown", (event) => this.#moveCursor(event));
  }

  update(content: ChartContent): void {
    this.#content = content;
    const isEmpty = content.curves.every(({ points }) => points.length === 0);
    this.#plotHost.classList.toggle("none", isEmpty);
    this.#plotHost.setAttribute("aria-label", this.#describe());
    const parts = content.curves.map(({ id, name, faint, look }) => [id, name, faint !== undefined, look.variable]);
    const built = JSON.stringify([parts, content.log, isEmpty]);
    if (built === this.#built) this.#plot?.setData(this.#data());
    else this.#build(isEmpty);
    this.#built = built;
    this.#showValues();
  }

  /** Draws anew, with the colours of now. */
  refresh(): void {
    this.#built = "";
    this.update(this.#content);
  }

  #build(isEmpty: boolean): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#buildLegend();
    this.#plotHost.replaceChildren(...(isEmpty ? ["Nothing to draw yet"] : []));
    if (!isEmpty) this.#plot = new uPlot(this.#plotOptions(), this.#data(), this.#plotHost);
  }

  #buildLegend(): void {
    this.#values = [];
    const buttons = this.#content.curves.map(({ id, name, look }) => {
      const value = h("span", { class: "value" });
      this.#values.push(value);
      const pressed = String(!this.#off.has(id));
      const label = h("span", { class: "name" }, name);
      const button = h("button", { type: "button", "aria-pressed": pressed, title: name }, swatch(look), label, value);
      button.addEventListener("click", () => this.#toggle(id, button));
      return button;
    });
    this.#legend.replaceChildren(...buttons);
  }

  #toggle(id: string, button: HTMLButtonElement): void {
    if (!this.#off.delete(id)) this.#off.add(id);
    button.setAttribute("aria-pressed", String(!this.#off.has(id)));
    for (const [index, line] of this.#lines().entries()) {
      if (line.curve.id === id) this.#plot?.setSeries(index + 1, { show: !this.#off.has(id) });
    }
  }

  /** All faint lines, then all others over them. */
  #lines(): { curve: Curve; points: readonly Point[]; isFaint: boolean }[] {
    const { curves } = this.#content;
    const faint = curves.map((curve) => ({ curve, points: curve.faint ?? [], isFaint: true }));
    const firm = curves.map((curve) => ({ curve, points: curve.points, isFaint: false }));
    return [...(curves.some((curve) => curve.faint) ? faint : []), ...firm];
  }

  #data(): uPlot.AlignedData {
    const tables = this.#lines().map(({ points }): uPlot.AlignedData => {
      return [points.map(({ x }) => x), points.map(({ y }) => y)];
    });
    return uPlot.join(tables);
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(120, this.#plotHost.clientWidth), height: this.#plotHost.clientHeight };
  }

  #plotOptions(): uPlot.Options {
    const lines = this.#lines().map(({ curve, isFaint }): uPlot.Series => {
      const colour = colourOf(curve.look.variable);
      return {
        ...{ stroke: isFaint ? colour + FAINT : colour, width: isFaint ? 1 : 2, dash: [...curve.look.dash] },
        ...{ show: !this.#off.has(curve.id), spanGaps: true, points: { show: isSingle } },
      };
    });
    const axis: uPlot.Axis = {
      ...{ stroke: colourOf("--soft"), font: "12px system-ui, sans-serif" },
      ...{ grid: { stroke: colourOf("--line"), width: 1 }, ticks: { show: false } },
    };
    const step: uPlot.Axis = { ...axis, size: 30, values: (_, steps) => steps.map(stepLabel) };
    const value: uPlot.Axis = {
      ...{ ...axis, size: 58, gap: 6 },
      values: (_, values) => values.map((value) => (value === null ? "" : shortNumber(value))),
    };
    return {
      ...this.#size(),
      ...{ series: [{}, ...lines], axes: [step, value], legend: { show: false }, padding: [10, 12, 0, 0] },
      scales: {
        x: { time: false, range: () => [...this.#content.range] },
        y: this.#content.log ? { distr: 3 } : {},
      },
      cursor: {
        ...{ y: false, sync: { key: SYNC_KEY }, drag: { x: true, y: false, setScale: false } },
        bind: { dblclick: () => () => this.#showAll() },
      },
      hooks: { setCursor: [() => this.#showValues()], setSelect: [(plot) => this.#takeSelection(plot)] },
    };
  }

  #showAll(): null {
    this.#options.onRange();
    return null;
  }

  #takeSelection(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < NARROWEST_DRAG) return;
    const [first, last] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#options.onRange([Math.max(0, Math.floor(first)), Math.ceil(last)]);
  }

  /** At the cursor; without one, the newest. */
  #showValues(): void {
    for (const [index, value] of this.#valuesAt(this.#plot?.cursor.idx).entries()) {
      const element = this.#values[index];
      if (element) setText(element, value === undefined ? "–" : shortNumber(value));
    }
  }

  /** Lines have points at other steps each: the nearest before counts. */
  #valuesAt(index: number | null | undefined): (number | undefined)[] {
    const { curves } = this.#content;
    const { data } = this.#plot ?? {};
    if (index === null || index === undefined || !data) return curves.map(({ points }) => points.at(-1)?.y);
    return data.slice(-curves.length).map((column) => {
      for (let at = index; at >= 0; at--) {
        const value = column[at];
        if (value !== undefined && value !== null) return value;
      }
      return undefined;
    });
  }

  #moveCursor(event: KeyboardEvent): void {
    const moves: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
    const steps = this.#plot?.data[0];
    const move = moves[event.key];
    if (!this.#plot || !steps || move === undefined) return;
    event.preventDefault();
    const now = this.#plot.cursor.idx ?? (move > 0 ? -1 : steps.length);
    const index = Math.min(steps.length - 1, Math.max(0, now + move));
    const step = steps[index] ?? 0;
    this.#plot.setCursor({ left: this.#plot.valToPos(step, "x"), top: 1 });
    const values = this.#valuesAt(index).map((value, curve) => {
      return `${this.#content.curves[curve]?.name} ${value === undefined ? "none" : shortNumber(value)}`;
    });
    setText(byId("readout", HTMLElement), `${this.#options.title}, step ${wholeNumber(step)}: ${values.join(", ")}`);
  }

  /** What a screen reader says in place of the picture. */
  #describe(): string {
    const { curves, log } = this.#content;
    const parts = curves.map(({ name, last }) => {
      return last ? `${name} ${shortNumber(last.y)} at step ${wholeNumber(last.x)}` : `${name} without values`;
    });
    const scale = log ? ", logarithmic" : "";
    return `${this.#options.title}${scale}: ${parts.join("; ") || "no run is chosen"}. Arrow keys move the cursor.`;
  }
}

/** A line through one point is nothing to see. */
const isSingle = ({ data }: uPlot, series: number): boolean =>
  (data[series] ?? []).filter((value) => value !== undefined && value !== null).length < 2;

const stepLabel = (step: number): string => (Number.isInteger(step) ? wholeNumber(step) : "");
