/** From samples to the table that is printed and the record that is written. */

import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";

/** The processor, and how busy it is. */
export function describeMachine() {
  const [load] = loadavg();
  const busy = load > 0.5 ? "; the machine is busy, do not trust these numbers" : "";
  return `${cpus()[0].model}, load ${load.toFixed(1)}${busy}`;
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** What one case came to. `samples` has a list a side, ours first. */
export function summarise({ name, title, measure, goal = {} }, sides, samples) {
  const measured = sides.map((side, index) => ({
    side: side.name,
    median: median(samples[index]),
    min: Math.min(...samples[index]),
    max: Math.max(...samples[index]),
    samples: samples[index],
  }));
  const [ours, ...peers] = measured;
  // The peer counts at its best.
  const peer = peers.length > 0 ? Math.min(...peers.map((each) => each.median)) : undefined;
  const unit = measure === "peakMemory" ? "bytes" : "seconds";
  return { name, title, unit, measured, goal, ...verdict(goal, ours.median, peer) };
}

/** `ratio` is the one that the goal speaks of; no verdict without a peer, unless the goal needs none. */
function verdict(goal, ours, peer) {
  const ratio = peer === undefined ? undefined : goal.memory ? ours / peer : peer / ours;
  if (goal.seconds) return { ratio, passed: ours <= goal.seconds };
  if (ratio === undefined) return {};
  if (goal.memory) return { ratio, passed: ratio <= goal.memory };
  return { ratio, passed: goal.speed && ratio >= goal.speed };
}

/** Three digits. */
export const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function amount({ median, min, max }, unit) {
  if (unit === "bytes") return `${digits(median / 1e9)} GB`;
  const [middle, low, high] = [median, min, max].map((seconds) => digits(seconds * 1000));
  return `${middle} ms (${low} – ${high})`;
}

function goalText({ speed, memory, seconds }) {
  if (speed) return `≥ ${speed}×`;
  if (memory) return `≤ ${memory}×`;
  return seconds ? `≤ ${seconds * 1000} ms` : "–";
}

/** Rows of a Markdown table, padded for a terminal: median (min – max) of each side. */
export function table(results, sides) {
  const header = ["", ...sides.map((side) => side.name), "ratio", "goal", ""];
  const rows = results.map(({ title, measured, unit, ratio, goal, passed }) => [
    title,
    ...measured.map((each) => amount(each, unit)),
    ratio === undefined ? "–" : `${ratio.toFixed(2)}×`,
    goalText(goal),
    passed === undefined ? "–" : passed ? "reached" : "missed",
  ]);
  return markdown([header, ...rows]);
}

/** A Markdown table, padded for a terminal; the first row is its head. */
export function markdown([header, ...rows]) {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [header, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

/** Everything that was measured, for later. */
export async function writeRecord(path, record) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify({ date: new Date().toISOString(), ...record }, null, 2)}\n`);
}
