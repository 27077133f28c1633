/** The table of settings: those in which the chosen runs differ, or all. */
import { swatch } from "./colours.js";
import { byId, h } from "./dom.js";
import { type RecordRow, recordRows } from "./record-rows.js";
import type { WatchedRun } from "./watched-run.js";

export class SettingsView {
  readonly #host = byId("settings", HTMLDivElement);
  readonly #all = byId("all-settings", HTMLInputElement);
  #runs: readonly WatchedRun[] = [];
  #shown = "";

  constructor() {
    this.#all.addEventListener("change", () => this.#draw());
  }

  update(runs: readonly WatchedRun[]): void {
    this.#runs = runs;
    this.#draw();
  }

  #draw(): void {
    const rows = recordRows(this.#runs.map(({ record }) => record));
    const wanted = this.#all.checked ? rows : rows.filter((row) => row.differs);
    const shown = JSON.stringify([this.#runs.map(({ summary }) => [summary.id, summary.name]), wanted]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const text = h("p", { class: "soft" }, this.#absence(rows));
    this.#host.replaceChildren(wanted.length > 0 ? table(this.#runs, wanted) : text);
  }

  #absence(rows: readonly RecordRow[]): string {
    if (this.#runs.length === 0) return "No run is chosen.";
    if (rows.length === 0) return "There is no run.json in these folders: runs of earlier versions have none.";
    return this.#runs.length === 1
      ? "Choose a second run to see how the two differ, or show all settings."
      : "The chosen runs have the same settings.";
  }
}

function table(runs: readonly WatchedRun[], rows: readonly RecordRow[]): HTMLElement {
  const heads = runs.map((run) => h("th", { scope: "col" }, swatch(run.look), run.summary.name));
  const lines = rows.map(({ name, values, differs }) => {
    const cells = values.map((value) => h("td", {}, value ?? "–"));
    return h("tr", { class: differs ? "differs" : "" }, h("th", { scope: "row" }, name), ...cells);
  });
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Setting"), ...heads));
  // With a name and in the tab order, so that the keyboard can scroll it.
  const frame = { class: "scroll", role: "region", "aria-label": "Settings of the runs", tabindex: 0 };
  return h("div", frame, h("table", {}, head, h("tbody", {}, ...lines)));
}
