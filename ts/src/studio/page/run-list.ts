/** The list of runs: which are shown, and where each stands. */
import type { RunSummary } from "../protocol.js";
import { swatch } from "./colours.js";
import { byId, h, setText } from "./dom.js";
import { wholeNumber } from "./numbers.js";
import type { WatchedRun } from "./watched-run.js";

interface Row {
  label: HTMLLabelElement;
  box: HTMLInputElement;
  name: HTMLElement;
  state: HTMLElement;
  problem: HTMLElement;
}

export class RunListView {
  readonly #host = byId("runs", HTMLDivElement);
  readonly #rows = new Map<WatchedRun, Row>();
  readonly #onChoice: () => void;

  constructor(onChoice: () => void) {
    this.#onChoice = onChoice;
  }

  /** Rows stay the same elements, so that the focus stays where it is. */
  update(runs: readonly WatchedRun[]): void {
    for (const [run, row] of this.#rows) {
      if (runs.includes(run)) continue;
      row.label.remove();
      this.#rows.delete(run);
    }
    for (const run of runs) {
      const row = this.#rows.get(run) ?? this.#addRow(run);
      setText(row.name, run.summary.name);
      setText(row.state, stateText(run.summary));
      row.state.className = `state ${run.summary.state}`;
      setText(row.problem, problemText(run));
      row.label.title = run.summary.folder;
    }
  }

  #addRow(run: WatchedRun): Row {
    const box = h("input", { type: "checkbox" });
    box.checked = run.chosen;
    box.addEventListener("change", () => {
      run.chosen = box.checked;
      this.#onChoice();
    });
    const [name, state, problem] = [h("span", { class: "name" }), h("span"), h("span", { class: "problem" })];
    const label = h("label", { class: "run" }, box, swatch(run.look), name, state, problem);
    label.style.setProperty("--swatch", `var(${run.look.variable})`);
    this.#host.append(label);
    const row = { label, box, name, state, problem };
    this.#rows.set(run, row);
    return row;
  }
}

function stateText({ state, step, plannedSteps }: RunSummary): string {
  const steps = step === 0 && state === "training" ? "no step yet" : `step ${wholeNumber(step)}`;
  const of = plannedSteps === undefined || state === "finished" ? "" : ` of ${wholeNumber(plannedSteps)}`;
  return `${state === "training" ? "training" : state}, ${steps}${of}`;
}

function problemText({ summary, problem, metrics: { unread } }: WatchedRun): string {
  const lines = unread > 0 ? `metrics.jsonl: ${unread} ${unread === 1 ? "line" : "lines"} could not be read` : "";
  return [...new Set([summary.problem ?? "", problem, lines])].filter((text) => text !== "").join("; ");
}
