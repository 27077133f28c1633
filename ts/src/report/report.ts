/** The report of a training run: one HTML page that needs nothing beside it, and that follows the run while it goes on. */

import { plotLossesApart } from "../figures/losses.js";
import { element, escapeMarkup, textElement } from "../figures/svg.js";
import { pythonExample, typeScriptExample } from "./loading.js";
import { REPORT_STYLE } from "./style.js";

export interface ReportPicture {
  /** What is to be seen: caption or alternative text. */
  readonly caption: string;
  readonly png: Uint8Array;
}

/** What a run is doing, for as long as there will be a newer report. */
export interface LiveStatus {
  /** Such as "Training, step 120 of 900, 3 min left". */
  readonly text: string;
  /** How long until the page is to be read again. */
  readonly refreshSeconds: number;
}

/** A name and its value, as shown. */
export type ReportRow = readonly [name: string, value: string];

export interface RunReport {
  readonly title: string;
  /** One sentence under the title. */
  readonly summary: string;
  /** Absent once the run has ended: then the page does not load itself again, and says how to use the pipeline. */
  readonly live?: LiveStatus;
  /** The few numbers that matter most. */
  readonly facts: readonly ReportRow[];
  readonly samples: readonly ReportPicture[];
  /** Grids of the same noise as the training went on, oldest first. */
  readonly progress: readonly ReportPicture[];
  /** One value a step. */
  readonly losses: readonly number[];
  /** The SVG of `plotNoiseSchedule`. */
  readonly noiseSchedule: string;
  readonly settings: readonly ReportRow[];
  /** The command line that makes the same run. */
  readonly command: string;
  /** The pipeline's folder, as a reader would write it. */
  readonly pipelineDir: string;
}

/** The page as text. */
export function renderReport(report: RunReport): string {
  const body = [
    renderHeader(report),
    renderSamples(report.samples),
    renderLosses(report.losses),
    renderProgress(report.progress),
    section("Noise schedule", element("div", { class: "plots" }, report.noiseSchedule)),
    renderUse(report),
    section("Settings", renderTable(report.settings)),
  ];
  return `<!doctype html>\n${element("html", { lang: "en" }, renderHead(report), element("body", {}, element("main", {}, ...body)))}\n`;
}

/** A page that was opened from the disk may not ask for its own file; loading itself again is what it can do. */
function renderHead({ title, live }: RunReport): string {
  const refresh = live && `<meta http-equiv="refresh" content="${live.refreshSeconds}">`;
  return element(
    "head",
    {},
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    refresh ?? "",
    textElement("title", {}, `${title} · emberwing`),
    element("style", {}, REPORT_STYLE),
  );
}

function renderHeader(report: RunReport): string {
  const facts = report.facts.map(([name, value]) =>
    element("div", {}, textElement("dt", {}, name), textElement("dd", {}, value)),
  );
  return element(
    "header",
    {},
    textElement("h1", {}, report.title),
    textElement("p", { class: "soft" }, report.summary),
    report.live ? textElement("p", { class: "live" }, report.live.text) : "",
    element("dl", { class: "facts" }, ...facts),
  );
}

function renderSamples(samples: readonly ReportPicture[]): string {
  if (samples.length === 0) return "";
  return section("Samples", element("div", { class: "samples" }, ...samples.map(renderImage)));
}

function renderLosses(losses: readonly number[]): string {
  if (!losses.some((loss) => Number.isFinite(loss) && loss > 0)) return "";
  return section("Loss", element("div", { class: "plots" }, ...plotLossesApart(losses)));
}

function renderProgress(pictures: readonly ReportPicture[]): string {
  if (pictures.length === 0) return "";
  const figures = pictures.map((picture) =>
    element("figure", {}, renderImage(picture), textElement("figcaption", {}, picture.caption)),
  );
  return section(
    "While it learned",
    textElement("p", { class: "soft" }, "The same noise, denoised by the model as it was at that time."),
    element("div", { class: "progress" }, ...figures),
  );
}

function renderTable(rows: readonly ReportRow[]): string {
  const lines = rows.map(([name, value]) =>
    element("tr", {}, textElement("th", { scope: "row" }, name), textElement("td", {}, value)),
  );
  return element("div", { class: "scroll" }, element("table", {}, element("tbody", {}, ...lines)));
}

/** While the run goes on, its folder holds no finished pipeline. */
function renderUse(report: RunReport): string {
  const again = [textElement("h3", {}, "Make the same run again"), code(report.command)];
  if (report.live) return section("Use it", ...again);
  return section(
    "Use it",
    ...again,
    textElement("h3", {}, "More samples in the terminal"),
    code(`npx emberwing sample --pipeline ${report.pipelineDir} --num-images 16 --output more.png`),
    textElement("h3", {}, "In TypeScript"),
    code(typeScriptExample(report.pipelineDir)),
    textElement("h3", {}, "In Python, with Hugging Face diffusers"),
    code(pythonExample(report.pipelineDir)),
  );
}

const section = (heading: string, ...children: string[]): string =>
  element("section", {}, textElement("h2", {}, heading), ...children);

const code = (text: string): string => element("pre", {}, textElement("code", {}, text));

/** `btoa` takes one character a byte; in pieces, because a call takes a limited number of arguments. */
function base64(bytes: Uint8Array): string {
  const pieces = Array.from({ length: Math.ceil(bytes.length / 8192) }, (_, index) =>
    String.fromCharCode(...bytes.subarray(index * 8192, (index + 1) * 8192)),
  );
  return btoa(pieces.join(""));
}

function renderImage(picture: ReportPicture): string {
  return `<img alt="${escapeMarkup(picture.caption)}" src="data:image/png;base64,${base64(picture.png)}">`;
}
