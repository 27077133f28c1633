/** The studio's page: follows the runs, and draws the chosen ones beside each other. */
import type { RunList } from "../protocol.js";
import { fetchRuns } from "./api.js";
import { Chart } from "./chart.js";
import { Controls } from "./controls.js";
import { curveOf } from "./curves.js";
import { byId, setText } from "./dom.js";
import { showEmpty } from "./empty.js";
import type { MetricKey } from "./metrics.js";
import { RunListView } from "./run-list.js";
import { SamplesView } from "./samples.js";
import { SettingsView } from "./settings.js";
import { WatchedRun } from "./watched-run.js";

const POLL_MS = 2000;
/** More lines at once would be hard to tell apart; the user may choose more. */
const CHOSEN_BY_ITSELF = 6;

interface Drawing {
  readonly key: MetricKey;
  readonly title: string;
  /** Scatters from step to step, so that smoothing helps. */
  readonly smooth?: boolean;
  readonly log?: boolean;
}

const DRAWINGS: readonly Drawing[] = [
  { key: "loss", title: "Loss", smooth: true, log: true },
  { key: "learningRate", title: "Learning rate" },
  { key: "gradNorm", title: "Gradient norm", smooth: true },
  { key: "emaDecay", title: "EMA decay" },
  { key: "imagesPerSecond", title: "Images per second", smooth: true },
];

const runs = new Map<string, WatchedRun>();
const controls = new Controls(drawCharts);
const runList = new RunListView(() => void followChosen());
const samples = new SamplesView();
const settings = new SettingsView();
const charts = DRAWINGS.map((drawing) => {
  const onRange = controls.show.bind(controls);
  return { drawing, chart: new Chart({ title: drawing.title, large: drawing.key === "loss", onRange }) };
});
byId("charts", HTMLElement).append(...charts.map(({ chart }) => chart.element));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { chart } of charts) chart.refresh();
});

/** In the order in which they were first seen. */
const chosen = (): WatchedRun[] => [...runs.values()].filter((run) => run.chosen);

function drawCharts(): void {
  const shown = chosen();
  const lastStep = Math.max(1, ...shown.map(({ metrics }) => metrics.points.loss.at(-1)?.x ?? 1));
  const range = controls.range(lastStep);
  for (const { drawing, chart } of charts) {
    const log = controls.log && drawing.log === true;
    const options = { weight: drawing.smooth ? controls.weight : 0, range, log };
    const curves = shown.map((run) => curveOf(run, drawing.key, options));
    // Most runs have no average: an empty chart would only take room.
    chart.element.hidden = drawing.key === "emaDecay" && curves.every(({ points }) => points.length === 0);
    chart.update({ curves, range, log });
  }
}

function draw(): void {
  runList.update([...runs.values()]);
  drawCharts();
  samples.update(chosen());
  settings.update(chosen());
}

function takeList(list: RunList): void {
  const listed = new Set(list.runs.map(({ id }) => id));
  for (const id of runs.keys()) if (!listed.has(id)) runs.delete(id);
  // The newest are chosen first.
  for (const summary of [...list.runs].sort((a, b) => b.changed - a.changed)) {
    const run = runs.get(summary.id);
    if (run) run.summary = summary;
    else runs.set(summary.id, new WatchedRun(summary, freeLook(), chosen().length < CHOSEN_BY_ITSELF));
  }
  const isEmpty = runs.size === 0;
  byId("content", HTMLElement).hidden = isEmpty;
  byId("empty", HTMLElement).hidden = !isEmpty;
  if (isEmpty) showEmpty(list);
  showFolders(list);
}

/** The first look that no run has. */
function freeLook(): number {
  const taken = [...runs.values()].map((run) => run.lookIndex);
  let index = 0;
  while (taken.includes(index)) index++;
  return index;
}

function showFolders({ roots, leftOut }: RunList): void {
  const lines = roots.map(({ path, problem }) => (problem === undefined ? path : `${path} ${problem}`));
  setText(byId("folders", HTMLElement), `Watching ${lines.join(", ")}${leftOut === undefined ? "" : `; ${leftOut}`}`);
}

function showStatus(problem?: string): void {
  const status = byId("status", HTMLElement);
  status.classList.toggle("alarm", problem !== undefined);
  const training = [...runs.values()].filter(({ summary }) => summary.state === "training").length;
  const count = `${runs.size} ${runs.size === 1 ? "run" : "runs"}`;
  setText(status, problem ?? `${count}${training > 0 ? `, ${training} training` : ""}`);
}

async function followChosen(): Promise<void> {
  draw();
  await Promise.all(chosen().map((run) => run.follow(drawCharts)));
  draw();
}

async function refresh(): Promise<void> {
  try {
    takeList(await fetchRuns());
  } catch (error) {
    const isGone = error instanceof TypeError;
    return showStatus(
      isGone ? "The studio has ended: start it again and open its new address" : (error as Error).message,
    );
  }
  showStatus();
  await followChosen();
}

/** A page that nobody sees asks for nothing. */
async function untilVisible(): Promise<void> {
  if (document.visibilityState === "visible") return;
  await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  return untilVisible();
}

for (;;) {
  await refresh();
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  await untilVisible();
}
